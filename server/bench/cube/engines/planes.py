"""What engines share that read file by file: planes in threads, and the mosaic of the files of a plane."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from server.bench.cube.archive import location
from server.bench.cube.cases import Part
from server.bench.cube.engines import Cube, Setup
from server.bench.cube.scenes import SceneFile

Read = Callable[[str, SceneFile, Part], Any]
"""(location, file, part) -> pixels (height, width)"""


class PlaneEngine:
    """Makes each plane in a thread; a second file is read only where the one on top has gaps."""

    def __init__(self, setup: Setup, read: Read) -> None:
        self._base = setup.base
        self._read = read
        self._pool = ThreadPoolExecutor(setup.case.threads)

    def run(self, part: Part) -> Cube:
        cube = np.empty(part.shape, np.uint16)
        planes = part.planes()
        for _ in self._pool.map(lambda at: self._plane(part, planes[at], cube[at]), planes):
            pass
        return cube

    def cube(self, part: Part, made: Cube) -> Cube:
        return made

    def forget(self) -> None:
        """Nothing is kept: files are opened anew."""

    def _plane(self, part: Part, files: Sequence[SceneFile], out: Any) -> None:
        *below, top = files
        out[...] = self._read(location(self._base, top), top, part)
        for one in reversed(below):
            fill(out, partial(self._read, location(self._base, one), one, part))


def fill(out: Any, below: Callable[[], Any]) -> None:
    """Lay pixels below those that are there, if any are missing."""
    gaps = out == 0
    if gaps.any():
        np.copyto(out, below(), where=gaps)
