"""Where files lie: URIs, what is inside them, and their bytes, local or remote."""
