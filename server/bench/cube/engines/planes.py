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
        self.visits = 0
        """Files that the last run looked into: a plane's topmost, and those below it while there are gaps."""

    def run(self, part: Part) -> Cube:
        cube = np.empty(part.shape, np.uint16)
        planes = part.planes()
        self.visits = sum(self._pool.map(lambda at: self._plane(part, planes[at], cube[at]), planes))
        return cube

    def cube(self, part: Part, made: Cube) -> Cube:
        return made

    def forget(self) -> None:
        """Nothing is kept: files are opened anew."""

    def _plane(self, part: Part, files: Sequence[SceneFile], out: Any) -> int:
        *below, top = files
        out[...] = self._read(location(self._base, top), top, part)
        return 1 + sum(fill(out, partial(self._read, location(self._base, one), one, part)) for one in reversed(below))


def fill(out: Any, below: Callable[[], Any]) -> bool:
    """Lay pixels below those that are there, if any are missing; whether they were."""
    gaps = out == 0
    if not gaps.any():
        return False
    np.copyto(out, below(), where=gaps)
    return True
