"""Mapping files: what an archive holds.

read_mapping (reading.py)     YAML -> checked rules (rules.py)
  -> collections.py           variables and collections
  -> contents.py              files and items
  -> documents.py, checks.py  the shape of the YAML, and its mistakes
"""

from ingester.mapping.reading import parse_mapping, read_mapping
from ingester.mapping.rules import Mapping

__all__ = ["Mapping", "parse_mapping", "read_mapping"]
