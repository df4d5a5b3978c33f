"""The server: start-up, HTTP adapters of the standards, command line. The only place where all parts meet."""
