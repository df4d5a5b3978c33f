"""The catalogue over HTTP and on the command line: every entity under the same rules, free of any web framework.

documents.py   what an entity looks like as JSON: pydantic models, from which the OpenAPI document has its schemas;
               grid_documents.py: those of grids and layouts
resource.py    how an entity is listed, made, read, changed and deleted; each kind: resources.py, of data,
               definitions.py, of what they are drawn and written by, and collections.py
handlers.py    requests on any of them: paging, ETag and If-Match, merge patches
operations.py  what is done to many at once: tags, states, locks, mappings, tidying up, tiles of an area
"""
