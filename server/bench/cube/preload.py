"""Imported once by the process that all measured processes are forked from, so that each begins at once.

Nothing here starts a thread: those would be lost in the fork.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # numpy's library starts one a core when it is imported

from contextlib import suppress
from importlib import import_module

from server.bench.cube.engines import ENGINES

for about in ENGINES.values():
    with suppress(ImportError):
        import_module(f"server.bench.cube.engines.{about.module}")
