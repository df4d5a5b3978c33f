"""What each request passes before any handler sees it, from the outside in; `server.asgi` puts it together.

requests    its id, its line in the log, its figures
forwarded   who asked, and under which address, when a proxy stands in between
headers     security headers on the answer
cors        pages of other sites
guard       addresses, parameters and headers that no handler should see
clients     how much one client may ask
bodies      bodies, read whole before a thread is taken
"""
