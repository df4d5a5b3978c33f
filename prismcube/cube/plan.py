"""The plan of a cube: every file, band and mode, in order, and what it costs. Pure.

    make_plan(request, datasets) -> CubePlan      planner.py; nothing is opened
    plan_document(plan), parse_plan(document)     the `f=plan` document (plan_document.py)
    check_budget(plan, ...)                       budget.py; before anything is read or allocated

The plan holds all that execution needs; the catalogue is not asked again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from prismcube.cube.levels import Scale
from prismcube.cube.mosaic import mosaic_rule
from prismcube.errors import LARGEST
from prismcube.model.collection import ComputedField
from prismcube.model.cube import CubeHeader, OutputField, Step
from prismcube.model.formats import DataFormat, ValueMapping
from prismcube.model.grid import Grid
from prismcube.model.mask import MaskRule
from prismcube.model.slant import Slant
from prismcube.tiff.layout import Layout

KERNEL_WIDTH = {"nearest": 1, "bilinear": 2, "cubic": 4, "cubic_spline": 4, "lanczos": 6}
"""Source pixels a side that a resampling looks at, 2 for all others: about how their times compare."""

KERNEL_TYPES = {"int8": "int16", "uint32": "float64", "int32": "float64"}
"""Types that are resampled as another that holds all of them, of twice the size: fewer kernels to compile."""

AT_ONCE_BYTES = 192 * 2**20
"""Of slices that are computed at once, unless a single one needs more."""
MOST_AT_ONCE = 16
SMALL = 2**20
"""Values of a cube that is small, at most."""

QUALITY = "quality:"
"""Prefix of the name under which a mask's field is read by nearest neighbour."""


@dataclass(frozen=True)
class BandRead:
    """One band of a file, read for one field."""

    target: str
    """Name of the stored field; with the prefix `QUALITY` when read to judge a mask."""
    band: int
    """1-based band of the file."""
    mapping: ValueMapping


@dataclass(frozen=True, kw_only=True)
class ReadStep:
    """One visit to one file."""

    dataset_ids: tuple[int, ...]
    uri: str
    subdir: str
    grid: Grid
    """Of the file; around its pixels where they have a slant."""
    format: DataFormat
    """Of the stored values."""
    mode: Literal["copy", "warp"]
    resampling: str
    """Of a warp; `nearest` for a copy, where it has no effect."""
    bands: tuple[BandRead, ...]
    offset: tuple[int, int] | None
    """For a copy: (row, col) in the level of the output's first pixel."""
    level: int = 0
    """Of the layout; 0: full resolution."""
    scale: Scale = (1.0, 1.0)
    """(down, right) pixels of the file, at full resolution, for one of the output: how far a warp shrinks."""
    read_bytes: int
    """Decoded bytes the visit needs at least."""
    etag: str = ""
    """What the catalogue knows the state of the file by, with that of its sidecars."""
    layout: Layout | None = None
    """Where the file's blocks lie, of the state that `etag` names; None: GDAL reads it."""
    fallback: str = ""
    """Why, in a few words, where there is no layout."""
    slant: Slant | None = None
    """How the file's pixels lie when not on `grid`: it is warped by GDAL."""
    turn: float = 0.0
    """By how much the output must be moved east to lie where the file has it: a file may count 0 to 360 degrees."""

    def below(self, row: int, share: float) -> ReadStep:
        """The visit for a window so many rows further down, which is so much of the whole."""
        offset = None if self.offset is None else (self.offset[0] + row, self.offset[1])
        return replace(self, offset=offset, read_bytes=round(self.read_bytes * share))


@dataclass(frozen=True)
class LayerPlan:
    """One record: its visits in mosaic order (by time then id, the last on top)."""

    record_id: int
    record: str
    steps: tuple[ReadStep, ...]


@dataclass(frozen=True)
class SlicePlan:
    """One time step: its records in mosaic order."""

    step: Step
    layers: tuple[LayerPlan, ...]


@dataclass(frozen=True, kw_only=True)
class CubePlan:
    """A cube, ready to be executed."""

    grid: Grid
    fields: tuple[OutputField, ...]
    computed: tuple[ComputedField, ...]
    """Computed fields to evaluate, each after those it uses."""
    masks: Mapping[str, MaskRule]
    mosaic: str
    slices: tuple[SlicePlan, ...]

    @property
    def header(self) -> CubeHeader:
        return CubeHeader(self.grid, self.fields, tuple(one.step for one in self.slices))

    @property
    def steps(self) -> Iterable[ReadStep]:
        """Every visit to a file, in the order of execution."""
        return (step for one in self.slices for layer in one.layers for step in layer.steps)

    def piece(self, index: int, row: int, height: int) -> CubePlan:
        """The plan of rows [row, row + height) of one slice: only its window moves, nothing is planned anew."""
        if (row, height) == (0, self.grid.height):
            return replace(self, slices=(self.slices[index],))
        grid = self.grid.shifted(row, 0, height=height, width=self.grid.width)
        one, share = self.slices[index], height / self.grid.height
        layers = tuple(
            replace(layer, steps=tuple(step.below(row, share) for step in layer.steps)) for layer in one.layers
        )
        return replace(self, grid=grid, slices=(replace(one, layers=layers),))

    @property
    def output_bytes(self) -> int:
        """Size of the uncompressed cube."""
        return len(self.slices) * self.grid.pixels * sum(f.format.itemsize for f in self.fields)

    @property
    def read_bytes(self) -> int:
        """Decoded source bytes that are read."""
        return sum(step.read_bytes for step in self.steps)

    @property
    def pixels(self) -> int:
        """Pixels that are computed: those copied, and those warped times the width of their kernel."""
        return sum(
            len(step.bands) * self.grid.pixels * (KERNEL_WIDTH.get(step.resampling, 2) if step.mode == "warp" else 1)
            for step in self.steps
        )

    @cached_property
    def slice_bytes(self) -> int:
        """Memory that the dearest slice needs while it is computed."""
        return max(map(self._bytes_of, self.slices), default=0)

    @property
    def at_once(self) -> int:
        """How many slices may be computed at once: small ones are, so that no core waits for another."""
        return max(1, min(MOST_AT_ONCE, len(self.slices), AT_ONCE_BYTES // max(self.slice_bytes, 1)))

    @property
    def working_bytes(self) -> int:
        """Memory that the slices that are computed at once need."""
        return self.slice_bytes * self.at_once

    @property
    def is_small(self) -> bool:
        """True for what maps, series and windows ask for, whose blocks others will ask for as well."""
        return len(self.slices) * self.grid.pixels * len(self.fields) <= SMALL

    @property
    def is_filled(self) -> bool:
        """True when each pixel is that of the topmost file that has it, if mapped, cast or masked: no expression."""
        return not self.computed and self.mosaic in ("first", "last")

    def is_plain(self, one: SlicePlan) -> bool:
        """True when, besides, the files' numbers are those of the answer, and nothing is masked."""
        if self.masks or not self.is_filled:
            return False
        types = {field.name: field.format.dtype for field in self.fields}
        steps = [step for layer in one.layers for step in layer.steps]
        return all(
            band.mapping.is_identity and types[band.target] == step.format.dtype
            for step in steps
            for band in step.bands
        )

    def _bytes_of(self, one: SlicePlan) -> int:
        pixels, keeps_files = self.grid.pixels, self.is_filled and not self.is_plain(one)
        files = max((_file_bytes(layer, pixels, are_kept=keeps_files) for layer in one.layers), default=0)
        answer = sum(field.format.itemsize + 1 for field in self.fields)
        return files + pixels * (answer + self._working_a_pixel(one))

    def _working_a_pixel(self, one: SlicePlan) -> int:
        """Bytes a pixel of what is neither read nor answered."""
        if self.is_plain(one):
            return 0
        sizes = {band.target: 0 for layer in one.layers for step in layer.steps for band in step.bands}
        for layer in one.layers:
            for step in layer.steps:
                for band in step.bands:
                    sizes[band.target] = max(sizes[band.target], step.format.itemsize)
        if self.is_filled:
            # Of each field its numbers as they are resampled, what is closed, valid and new; of a mask the same, and
            # what it keeps. Fields may be made side by side.
            return sum(size + 3 + target.startswith(QUALITY) for target, size in sizes.items())
        # Of each field of a record numbers and validity, as stored, twice where files of it are laid over each other.
        overlaid = any(len(step.bands) < _bands(layer) for layer in one.layers for step in layer.steps)
        rule = mosaic_rule(self.mosaic)
        kept = rule.kept * (len(one.layers) if rule.keeps_layers else 1)
        return (1 + overlaid) * sum(size + 1 for size in sizes.values()) + kept * len(self.fields)

    @property
    def etags(self) -> list[str]:
        """The states of its files, in the order of `steps`."""
        return [step.etag for step in self.steps]

    def cost(self) -> dict[str, int]:
        """What it takes, as documents tell it: numbers, bytes, pixels."""
        return {
            "slices": len(self.slices),
            "files": len({(step.uri, step.subdir) for step in self.steps}),
            "readBytes": min(self.read_bytes, LARGEST),
            "outputBytes": min(self.output_bytes, LARGEST),
            "workingBytes": min(self.working_bytes, LARGEST),
            "pixels": min(self.pixels, LARGEST),
        }


def is_direct(step: ReadStep, band: BandRead, format: DataFormat) -> bool:
    """True when a band's numbers go into an answer of `format` as they are.

    Not so of floating numbers that must not be nodata: what is resampled is rounded when it is stored, and may then be.
    """
    if not band.mapping.is_identity or step.format.dtype != format.dtype:
        return False
    return not format.is_floating or format.nodata is None or math.isnan(format.nodata)


def _bands(layer: LayerPlan) -> int:
    return sum(len(step.bands) for step in layer.steps)


def _file_bytes(layer: LayerPlan, pixels: int, *, are_kept: bool) -> int:
    """Bytes of a record's files: their windows, and of one at a time what is made of it on its way to the answer.

    GDAL makes windows of the answer's own `pixels`. `are_kept`: those of all files are there at once.
    """
    windows = passing = 0
    for step in layer.steps:
        size, count = step.format.itemsize, len(step.bands)
        if step.layout is None:
            made = pixels * count * (size + 1)
            windows += made if are_kept else 0
            passing = max(passing, pixels * (2 * size + 1) + (0 if are_kept else made))
            continue
        windows += step.read_bytes
        if step.format.dtype in KERNEL_TYPES:
            more = 2 * (step.read_bytes // count + pixels * size) if step.mode == "warp" else pixels * (2 * size + 2)
            passing = max(passing, more)
    return windows + passing


def fits(layout: Layout, grid: Grid, format: DataFormat, band: int) -> bool:
    """True when a layout may be that of an image on `grid` of this format, with so many bands at least."""
    image = layout.levels[0]
    return image.shape == grid.shape and image.dtype == format.dtype and band <= image.bands
