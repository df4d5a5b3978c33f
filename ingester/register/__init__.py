"""Registering: the assets of STAC items become datasets of the catalogue.

Registrar (registrar.py)    items of documents, lists and catalogues -> headers (in threads) -> catalogue
derive_mapping              the mapping that the items themselves suggest
"""

from ingester.register.derive import Derived
from ingester.register.registrar import Registrar, derive_mapping

__all__ = ["Derived", "Registrar", "derive_mapping"]
