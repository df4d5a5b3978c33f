"""Processes as pygeoapi plug-ins, and the job manager. One process a file; each calls a handler of the domain."""
