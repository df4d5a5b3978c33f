"""The entities and value types of Prismcube. Pure: see README.md."""
