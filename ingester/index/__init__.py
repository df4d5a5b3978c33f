"""Indexing: files that exist become datasets of the catalogue, as a mapping file says.

read_mapping (mapping.py)   YAML -> checked rules; documents.py has the shape of the YAML
Indexer (indexer.py)        files -> rules -> headers (in threads) -> catalogue (in batches)
"""

from ingester.index.indexer import Indexer, Outcome, Status, Summary
from ingester.index.mapping import Mapping, parse_mapping, read_mapping

__all__ = ["Indexer", "Mapping", "Outcome", "Status", "Summary", "parse_mapping", "read_mapping"]
