"""Measures the catalogue: `prismcube bench`. The pixel engine is measured in `cube`, jobs in `jobs`.

server/cli/bench.py          parses and prints
  -> catalogue.measure       one database: index, search, load
       -> data               what is stored: places, dates, tags
       -> indexing           datasets and records a second, memory
       -> searches           the queries that readers wait for
       -> peer               the same search as the original does it (PostgreSQL)
       -> mixed              readers and writers at once, in processes of their own
  -> plans                   EXPLAIN of the hot queries
       -> copies             10^5 datasets in seconds
     page                    what comes of it: docs/reference/query-plans.md
figures.py                   what comes of it: figures beside their bars
memory.py, progress.py       what all three share beside figures
"""
