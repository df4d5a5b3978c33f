"""Typed settings: one file, one tree, every mistake reported at once. Only `server` reads them."""

from config.settings import Settings, describe, load

__all__ = ["Settings", "describe", "load"]
