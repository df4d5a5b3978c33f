"""Adapters between the standards and the domain. `providers.ogc` holds the handlers: they parse a request's parameters,
ask the domain and encode its answer, and know no web framework; `server` puts them at their URLs."""
