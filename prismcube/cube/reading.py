"""Visits to files: a step of a plan in, pixels of the answer's grid out, by the fast way or by GDAL.

Reader.visit(step, grid) -> Visit       remote files are asked at once
Visit.fill(band, out, valid)            what is still empty of an answer
Visit.translate(band, ..., out, valid)  the same, mapped, cast or judged
Visit.pixels()                          stored values and validity of all its bands

Reader.begin_alike(steps, window)       the same window of several images of a file, as it is stored
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from prismcube.cube import warp
from prismcube.cube.gate import Stop
from prismcube.cube.levels import Scale, kernel_scale, level_grid
from prismcube.cube.plan import ReadStep
from prismcube.cube.states import FileStates
from prismcube.cube.translation import Translation, put
from prismcube.cube.views import Views
from prismcube.cube.warp import View
from prismcube.cube.windows import Pending, TiffSource, Windows
from prismcube.model.entities import own_etag
from prismcube.model.grid import Grid
from prismcube.raster.reader import read_copy, read_warp
from prismcube.storage.fetch import FileChanged
from prismcube.tiff.layout import Window

CHANGED = "has changed since it was indexed"

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


class Visit(ABC):
    """A file that is being read for one step of a plan, on the grid of the answer."""

    def __init__(self, step: ReadStep, grid: Grid, states: FileStates) -> None:
        self.step = step
        self._states = states
        self.grid = grid
        """Turned as the file counts."""
        self.bands = tuple(dict.fromkeys(band.band for band in step.bands))
        """Of the file, each once."""
        self.fallback = ""
        """Why GDAL reads it, when it does."""

    @property
    def asked(self) -> int:
        """Bytes of a remote file that are under way."""
        return 0

    @abstractmethod
    def fill(self, band: int, out: Array, valid: Mask, *, shunned: float | None) -> int:
        """Fill what is not yet `valid` of an answer of the file's type; how many pixels. Raises SourceError.

        `out` and `valid` have the grid's shape; no valid pixel becomes `shunned`.
        """

    def fill_first(self, band: int, out: Array, valid: Mask, *, shunned: float | None) -> int:
        """As `fill`, where nothing is valid yet and `out` holds one and the same number."""
        return self.fill(band, out, valid, shunned=shunned)

    def load(self) -> None:  # noqa: B027  a file beside the grid has nothing to read
        """Read all of it; nothing else raises SourceError then. Raises SourceError."""

    @abstractmethod
    def translate(self, band: int, translation: Translation, out: Array, valid: Mask) -> int:
        """As `fill`, of an answer of any type: numbers become what `translation` makes of them. Raises SourceError."""

    def pixels(self) -> tuple[Array, Mask]:
        """Stored values and validity, both (bands, height, width). Raises SourceError."""
        data = np.zeros((len(self.bands), *self.grid.shape), dtype=self.step.format.dtype)
        valid = np.zeros(data.shape, dtype=bool)
        for band, out, mask in zip(self.bands, data, valid, strict=True):
            self.fill(band, out, mask, shunned=None)
        return data, valid

    def cancel(self) -> None:  # noqa: B027  most have nothing to cancel
        """Nobody will take it."""


class _Nothing(Visit):
    """The file lies beside the grid, as its mesh has shown."""

    def fill(self, band: int, out: Array, valid: Mask, *, shunned: float | None) -> int:
        return 0

    def translate(self, band: int, translation: Translation, out: Array, valid: Mask) -> int:
        return 0


class _ByGdal(Visit):
    """A file, or the level of it that the plan names, as GDAL reads it."""

    def __init__(self, step: ReadStep, grid: Grid, states: FileStates, reason: str) -> None:
        super().__init__(step, grid, states)
        self.fallback = reason
        self._read: tuple[Array, Mask] | None = None

    def load(self) -> None:
        self.pixels()

    def pixels(self) -> tuple[Array, Mask]:
        if self._read is None:
            source = replace(self.step, grid=_source_grid(self.step))
            use = partial(self._states.use, self.step.uri)
            if source.offset is not None:
                row, col = source.offset
                self._read = read_copy(source, self.bands, self.grid, row=row, col=col, level=source.level, use=use)
            else:
                down, right = _shrink(self.step, source.grid)
                if source.slant is not None:
                    down, right = source.slant.along_own_axes(down, right)
                scale = kernel_scale(down), kernel_scale(right)
                how, level = source.resampling, source.level
                self._read = read_warp(source, self.bands, self.grid, resampling=how, scale=scale, level=level, use=use)
        return self._read

    def fill(self, band: int, out: Array, valid: Mask, *, shunned: float | None) -> int:
        data, found = self.pixels()
        at = self.bands.index(band)
        return warp.merge(data[at], found[at], out=out, valid=valid, shunned=shunned)

    def translate(self, band: int, translation: Translation, out: Array, valid: Mask) -> int:
        data, found = self.pixels()
        at = self.bands.index(band)
        return put(translation, data[at], found[at], out, valid, is_compiled=False)


class _Fast(Visit):
    """A file that is read by its layout; by GDAL when it has changed, which then reads its header anew."""

    def __init__(self, step: ReadStep, grid: Grid, states: FileStates, pending: Pending) -> None:
        super().__init__(step, grid, states)
        self._pending = pending
        self._read: Array | None = None
        self._instead: _ByGdal | None = None

    @property
    def asked(self) -> int:
        return self._pending.asked

    def load(self) -> None:
        if self._read is None and self._instead is None:
            try:
                data = self._pending.result()
                self._use()
                self._read = data
            except FileChanged:
                self._changed()
        if self._instead is not None:
            self._instead.load()

    def fill(self, band: int, out: Array, valid: Mask, *, shunned: float | None) -> int:
        self.load()
        if self._instead is not None:
            return self._instead.fill(band, out, valid, shunned=shunned)
        return self._place(self._window(band), out, valid, shunned)

    def translate(self, band: int, translation: Translation, out: Array, valid: Mask) -> int:
        self.load()
        if self._instead is not None:
            return self._instead.translate(band, translation, out, valid)
        return self._put(self._window(band), translation, out, valid)

    def _window(self, band: int) -> Array:
        """The stored values of the window that has been read."""
        data: Array = self._read[self.bands.index(band)]  # type: ignore[index]  # `load` has read it
        return data

    def _use(self) -> None:
        """Pixels of the state that is indexed have been read. Raises SourceError."""
        self._states.use(self.step.uri, own_etag(self.step.etag))

    def _changed(self) -> None:
        self.fallback = CHANGED
        self._instead = _ByGdal(_at_full_resolution(self.step), self.grid, self._states, CHANGED)

    @abstractmethod
    def _place(self, data: Array, out: Array, valid: Mask, shunned: float | None) -> int:
        """As `fill`, from the stored values of a window."""

    @abstractmethod
    def _put(self, data: Array, translation: Translation, out: Array, valid: Mask) -> int:
        """As `translate`, from the stored values of a window."""

    def cancel(self) -> None:
        self._pending.cancel()


class _Aligned(_Fast):
    """Pixels of the file are those of the answer."""

    def __init__(self, step: ReadStep, grid: Grid, states: FileStates, pending: Pending, part: Window) -> None:
        super().__init__(step, grid, states, pending)
        self._part = part.slices

    def fill_first(self, band: int, out: Array, valid: Mask, *, shunned: float | None) -> int:
        if len(self.bands) > 1 or self._read is not None or self._instead is not None:
            return self.fill(band, out, valid, shunned=shunned)
        part, mask = out[self._part], valid[self._part]
        empty = part.flat[0]
        try:
            self._pending.result(part[np.newaxis])
            self._use()
        except FileChanged:
            part[...] = empty
            self._changed()
            return self.fill(band, out, valid, shunned=shunned)
        except BaseException:  # whatever broke off the reading, half of it must not stay in the answer
            part[...] = empty
            raise
        warp.mark(format=self.step.format, out=part, valid=mask, empty=empty, shunned=shunned)
        return int(np.count_nonzero(mask))

    def _place(self, data: Array, out: Array, valid: Mask, shunned: float | None) -> int:
        return warp.fill(data, format=self.step.format, out=out[self._part], valid=valid[self._part], shunned=shunned)

    def _put(self, data: Array, translation: Translation, out: Array, valid: Mask) -> int:
        found = self.step.format.valid(data)
        return put(translation, data, found, out[self._part], valid[self._part], is_compiled=True)


class _Warped(_Fast):
    """Pixels of the file are resampled."""

    def __init__(
        self, step: ReadStep, grid: Grid, states: FileStates, pending: Pending, view: View, source: Grid
    ) -> None:
        super().__init__(step, grid, states, pending)
        self._view, self._source = view, source

    def _place(self, data: Array, out: Array, valid: Mask, shunned: float | None) -> int:
        step = self.step
        return warp.resample(
            self._view,
            data,
            self._source,
            self.grid,
            format=step.format,
            resampling=step.resampling,
            out=out,
            valid=valid,
            shunned=shunned,
        )

    def _put(self, data: Array, translation: Translation, out: Array, valid: Mask) -> int:
        stored, full = np.zeros(out.shape, data.dtype), valid.copy()
        self._place(data, stored, full, None)
        part = self._view.part.slices
        return put(translation, stored[part], full[part], out[part], valid[part], is_compiled=True)


class Reader:
    """Reads the files of one answer; of any thread. No file gives it pixels of two states."""

    def __init__(
        self, windows: Windows, views: Views, states: FileStates, *, by_gdal: Callable[[], str] = lambda: ""
    ) -> None:
        self.windows = windows
        self.states = states
        self.by_gdal = by_gdal
        """Tells why GDAL is to read all files now; nothing when it is not, and it never will be again."""
        self._views = views

    def visit(self, step: ReadStep, grid: Grid, *, keep: bool, stop: Stop) -> Visit:
        """Begin to read what a step has of `grid`: that of the plan, or, with the step of a part, of the part.

        `keep`: decoded blocks may be wanted again.
        """
        if step.turn:
            grid = grid.moved(step.turn)
        reason = step.fallback if step.layout is None else self.by_gdal()
        if reason or step.layout is None:
            return _ByGdal(step, grid, self.states, reason)
        source = _source_grid(step)
        if step.offset is not None:
            row, col = step.offset
            window = Window(row, col, grid.height, grid.width).within(*source.shape)
            part = Window(window.row - row, window.col - col, window.height, window.width)
            return (
                _Aligned(step, grid, self.states, self._begin(step, window, keep, stop), part)
                if part.pixels
                else _Nothing(step, grid, self.states)
            )
        view = self._views.of(source, grid, resampling=step.resampling, shrink=_shrink(step, source))
        if view is None:
            return _Nothing(step, grid, self.states)
        return _Warped(step, grid, self.states, self._begin(step, view.window, keep, stop), view, source)

    def begin_alike(self, steps: Sequence[ReadStep], window: Window, *, keep: bool, stop: Stop) -> Pending:
        """Ask for the same window of images that have the same description, by their layouts.

        The result has the bands of the first step, in their order, then those of the second, and so on.
        """
        first = steps[0]
        bands = [band.band for band in first.bands]
        sources = [_source(step) for step in steps]
        return self.windows.begin_alike(sources, first.level, bands, window, keep=keep, stop=stop)

    def _begin(self, step: ReadStep, window: Window, keep: bool, stop: Stop) -> Pending:
        bands = tuple(dict.fromkeys(band.band for band in step.bands))
        return self.windows.begin(_source(step), step.level, bands, window, keep=keep, stop=stop)


def _source(step: ReadStep) -> TiffSource:
    if step.layout is None:
        raise ValueError("without a layout there are no windows")
    return TiffSource(uri=step.uri, layout=step.layout, etag=own_etag(step.etag), image=step.subdir)


def _at_full_resolution(step: ReadStep) -> ReadStep:
    """The step for a file of whose overviews nothing is known any more."""
    if step.level == 0:
        return replace(step, layout=None)
    return replace(step, layout=None, level=0, mode="warp", offset=None)


def _source_grid(step: ReadStep) -> Grid:
    """Of the level that is read."""
    return step.grid if step.layout is None else level_grid(step.grid, step.layout, step.level)


def _shrink(step: ReadStep, source: Grid) -> Scale:
    """(down, right) pixels of that level for one of the answer."""
    return step.scale[0] * source.height / step.grid.height, step.scale[1] * source.width / step.grid.width
