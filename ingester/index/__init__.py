"""Indexing: files that exist become datasets of the catalogue, as a mapping file says.

read_mapping (../mapping)   YAML -> checked rules
Indexer (indexer.py)        files -> rules -> headers (in threads) -> catalogue (in batches)
"""

from ingester.index.indexer import Indexer
from ingester.loading import Options
from ingester.mapping import Mapping, parse_mapping, read_mapping
from ingester.outcomes import Outcome, Status, Summary

__all__ = ["Indexer", "Mapping", "Options", "Outcome", "Status", "Summary", "parse_mapping", "read_mapping"]
