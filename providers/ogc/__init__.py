"""OGC API handlers, free of any web framework: one module a resource, each a function of (Context, query)."""
