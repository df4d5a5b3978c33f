"""`python -m server.cli` is `prismcube`."""

from server.cli import app

app()
