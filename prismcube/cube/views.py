"""Views of files on grids, kept: the dates of one place share theirs."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from prismcube.cube import warp
from prismcube.cube.levels import Scale
from prismcube.cube.mesh import Meshes
from prismcube.cube.warp import View
from prismcube.model.grid import Grid

KEPT = 64


class Views:
    """As `warp.view_of`; of any thread. One a process."""

    def __init__(self) -> None:
        self._meshes = Meshes()
        self._views: OrderedDict[_Key, View | None] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, source: Grid, grid: Grid, *, resampling: str, shrink: Scale) -> View | None:
        """What of `source` the pixels of `grid` need; None when they lie beside it."""
        key = _Key(source, grid, resampling, shrink)
        with self._lock:
            if key in self._views:
                self._views.move_to_end(key)
                return self._views[key]
        view = warp.view_of(source, grid, resampling=resampling, shrink=shrink, meshes=self._meshes)
        with self._lock:
            self._views[key] = view
            while len(self._views) > KEPT:
                self._views.popitem(last=False)
        return view


@dataclass(frozen=True)
class _Key:
    source: Grid
    grid: Grid
    resampling: str
    shrink: Scale
