"""Cubes and series as bytes: one module a format. Each takes a header and slices, and knows nothing of requests."""
