"""The catalogue: what lies in the archive, where and when.

Catalogue (catalogue.py)      one repository an entity
  -> filters.py, spatial.py   the conditions that queries share
  -> tables.py, job_tables.py the schema; migrations/ brings a file to it
  -> engine.py                connections and transactions
"""

from prismcube.catalogue import job_tables
from prismcube.catalogue.catalogue import Catalogue, Repositories, UnitOfWork
from prismcube.catalogue.engine import Change
from prismcube.catalogue.files import FileEntry, Holding
from prismcube.catalogue.migrations import current_revision, is_current, migrate

__all__ = [
    "Catalogue",
    "Change",
    "FileEntry",
    "Holding",
    "Repositories",
    "UnitOfWork",
    "current_revision",
    "is_current",
    "job_tables",
    "migrate",
]
