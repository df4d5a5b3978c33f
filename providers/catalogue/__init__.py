"""The catalogue over HTTP and on the command line: every entity under the same rules, free of any web framework.

documents.py   what an entity looks like as JSON: pydantic models, from which the OpenAPI document has its schemas
resource.py    how an entity is listed, made, read, changed and deleted; resources.py and collections.py: each kind
handlers.py    requests on any of them: paging, ETag and If-Match, merge patches
operations.py  what is done to many at once: tags, states, locks, mappings, tidying up, tiles of an area
"""
