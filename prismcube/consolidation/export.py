"""A large cube as one file in the storage, computed in parts.

    plan ─ parts      some time steps each, or rows of a large one; their plan in a file of its own, so that whoever
                      computes one needs no catalogue
         ─ compute    a part's slices, kept in a file beside its plan
         ─ write      all slices, in order, into one COG, NetCDF or Zarr

A plan is made once: what is added to the catalogue meanwhile is in no part of the cube. Parts and file lie in the
job's own folder; parts go when the file is there.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from prismcube.catalogue import Catalogue
from prismcube.consolidation.export_parts import Folder, Part, read_part, read_slices
from prismcube.cube.budget import step_bytes
from prismcube.cube.grids import GridRequest, output_grid
from prismcube.cube.plan import CubePlan
from prismcube.cube.planner import make_plan
from prismcube.cube.sources import find_sources
from prismcube.errors import BudgetExceeded, InvalidInput, NothingRead, OutsideExtent
from prismcube.model.collection import Collection
from prismcube.model.cube import CubeHeader, Ends, Slice, SliceStatus
from prismcube.model.grid import CRS84, DEGREES, Bounds, Grid, crs_name
from prismcube.model.period import Period
from prismcube.tiff.publish import writing_to

PART_BYTES = 256 * 2**20
"""Of the pixels of a part, unless a row of the format's blocks has more."""


@dataclass(frozen=True)
class Format:
    """A format that a cube is written in."""

    encoder: str
    """Module of `prismcube.encode`; loaded when it is first asked for, as their libraries take long to import."""

    @property
    def block_rows(self) -> int:
        """Of the file's blocks at most: it takes a step in pieces of whole ones."""
        return int(self._module.CHUNK)

    @property
    def media_type(self) -> str:
        return str(self._module.MEDIA_TYPE)

    @property
    def extension(self) -> str:
        return str(self._module.EXTENSION)

    def check(self, header: CubeHeader) -> None:
        """Raises InvalidInput for a cube that the format can't hold."""
        self._module.check(header)

    def write(self, path: Path, header: CubeHeader, slices: Iterator[Slice], *, title: str) -> None:
        """Raises as the encoders do."""
        write: Callable[..., None] = getattr(self._module, f"write_{self.encoder}")
        write(path, header, slices, title=title)

    @property
    def _module(self) -> ModuleType:
        return importlib.import_module(f"prismcube.encode.{self.encoder}")


DEFAULT_FORMAT = "netcdf"
FORMATS: Mapping[str, Format] = {name: Format(name) for name in ("netcdf", "cog", "zarr")}


def name_of(format: str) -> str:
    """Of the cube's file, in the job's folder."""
    return f"cube.{FORMATS[format].extension}"


@dataclass(frozen=True, kw_only=True)
class ExportOrder:
    """The cube that is asked for."""

    collection: str
    fields: tuple[str, ...]
    """Empty: all that are stored."""
    grid: GridRequest
    period: Period
    group: str | None
    mosaic: str
    resampling: str | None
    mask: str | None
    format: str
    incomplete: bool
    """Whether it may lack what can't be read."""

    @classmethod
    def from_inputs(cls, inputs: Mapping[str, Any]) -> ExportOrder:
        """Of the inputs of the process. Raises InvalidInput naming one."""
        bounds_crs = _bounds_crs(inputs)
        resolution = inputs.get("resolution")
        across, down = resolution if isinstance(resolution, list) else (resolution, resolution)
        return cls(
            collection=inputs["collection"],
            fields=tuple(inputs.get("properties") or ()),
            grid=GridRequest(
                crs=inputs.get("crs"),
                bounds=_bounds(inputs["bbox"], bounds_crs) if inputs.get("bbox") else None,
                bounds_crs=bounds_crs,
                width=inputs.get("width"),
                height=inputs.get("height"),
                resolution=None if resolution is None else (across, down),
            ),
            period=Period.parse(inputs["datetime"]) if inputs.get("datetime") else Period(),
            group=inputs.get("group"),
            mosaic=inputs.get("mosaic") or "last",
            resampling=inputs.get("resampling"),
            mask=inputs.get("mask"),
            format=inputs.get("format") or DEFAULT_FORMAT,
            incomplete=bool(inputs.get("incomplete")),
        )


def _bounds_crs(inputs: Mapping[str, Any]) -> str:
    """As `crs_name` has it. Raises InvalidInput."""
    given = inputs.get("bboxCrs")
    if given and inputs.get("bbox") is None:
        raise InvalidInput("bboxCrs", "is of a bbox, and none is given")
    try:
        return crs_name(given or CRS84)
    except InvalidInput as error:
        raise InvalidInput("bboxCrs", error.reason) from error


def _bounds(bbox: Sequence[float], crs: str) -> Bounds:
    """West, south, east and north; in degrees also across the date line. Raises InvalidInput."""
    west, south, east, north = map(float, bbox)
    if west <= east or crs not in DEGREES:
        return Bounds(west, south, east, north)
    if west > 180 or east < -180:
        raise InvalidInput("bbox", f"longitudes lie in -180..180, got {west:g} to {east:g}")
    return Bounds.across(west, south, east, north)


@dataclass(frozen=True)
class Export:
    """A cube that is to be exported."""

    plan: CubePlan
    """Of all of it."""
    parts: tuple[Part, ...]
    """Step by step, and from north to south; together all of it, once."""


def plan_export(catalogue: Catalogue, order: ExportOrder, *, memory: int) -> Export:
    """The plan of the whole cube, cut into parts that take no more than `memory` bytes each.

    Raises NotFound for an unknown collection, InvalidInput for what does not fit it, OutsideExtent when nothing lies
    there, BudgetExceeded for rows of which no block's height fits into the memory, or more than the format holds.
    """
    collection = catalogue.collections.get(order.collection)
    if collection.extent is None:
        raise OutsideExtent("collection", f"there is nothing to export: {collection.name} has no data")
    fields = order.fields or tuple(one.name for one in collection.stored_fields or collection.fields)
    grid = output_grid(collection.extent.native, order.grid)
    if grid is None:
        raise OutsideExtent("bbox", f"there is nothing to export: it touches no data of {collection.name}")
    plan = _plan(catalogue, collection, fields, grid, order)
    if not plan.slices:
        raise OutsideExtent(_narrowest(order), f"there is nothing to export: {collection.name} has no data there")
    format = FORMATS[order.format]
    format.check(plan.header)
    return Export(plan, tuple(_parts(plan, _rows(plan, format.block_rows, memory))))


def _narrowest(order: ExportOrder) -> str:
    """The input that may be to blame where nothing is found."""
    if order.period != Period():
        return "datetime"
    return "collection" if order.grid.bounds is None else "bbox"


def is_exportable(plan: CubePlan, *, memory: int) -> bool:
    """True when parts of the cube fit into so many bytes, in the format that is written unless another is asked for."""
    try:
        _rows(plan, FORMATS[DEFAULT_FORMAT].block_rows, memory)
    except BudgetExceeded:
        return False
    return True


def _rows(plan: CubePlan, block: int, memory: int) -> int:
    """How many rows of a step are computed at once: all, or as many as there is memory for, in whole blocks.

    Raises BudgetExceeded.
    """
    height = plan.grid.height
    answer = plan.output_bytes // len(plan.slices)
    needed = step_bytes(plan)
    if needed <= memory and answer <= PART_BYTES:
        return height
    least = min(block, height)
    rows = min(height * memory // needed, height * PART_BYTES // answer)
    if needed * least > memory * height:
        advice = "ask for a narrower area, larger pixels or fewer fields"
        asked = needed * least // height
        raise BudgetExceeded(f"bytes of {least} rows of a time step", asked=asked, allowed=memory, advice=advice)
    return max(least, rows - rows % block)


def _parts(plan: CubePlan, rows: int) -> Iterator[Part]:
    count, height = len(plan.slices), plan.grid.height
    if rows < height:
        for step in range(count):
            for row in range(0, height, rows):
                yield Part(step, step + 1, row, min(rows, height - row))
        return
    steps = max(1, PART_BYTES // max(1, plan.output_bytes // count))
    for first in range(0, count, steps):
        yield Part(first, min(first + steps, count), 0, height)


def _plan(
    catalogue: Catalogue, collection: Collection, fields: tuple[str, ...], grid: Grid, order: ExportOrder
) -> CubePlan:
    known = {one.name for one in collection.fields}
    for name in fields:
        if name not in known:
            raise InvalidInput("properties", f"{collection.name} has no field {name[:60]!r}")
    request, found, headers = find_sources(
        catalogue,
        collection,
        fields=fields,
        grid=grid,
        period=order.period,
        group=order.group,
        mosaic=order.mosaic,
        resampling=order.resampling,
        mask=order.mask,
    )
    return make_plan(request, found, headers=headers)


def write_cube(
    folder: Folder, parts: int, *, format: str, title: str, progress: Callable[[float, str], None]
) -> tuple[int, list[tuple[SliceStatus, str]]]:
    """All parts into one file, which appears whole; its bytes, and how each time step ended, with its message.

    Raises as the encoders do, SourceError, and NothingRead when not one time step could be read.
    """
    known = [read_part(folder, number) for number in range(parts)]
    header = _header(known)
    ends = Ends(len(header.steps))

    def slices() -> Iterator[Slice]:
        for number, (part, plan) in enumerate(known):
            for one in read_slices(folder, number, part, plan):
                yield one
                ends.add(one)
                done = one.index + (part.row + part.height) / header.grid.height
                progress(done / len(header.steps), f"{int(done)} of {len(header.steps)} time steps")

    target = folder.prepare(name_of(format))
    beside = target.with_name(f".{target.name}.part")
    with writing_to(target):
        beside.unlink(missing_ok=True)  # of a writer that was killed
    try:
        FORMATS[format].write(beside, header, slices(), title=title)
        _check_any(ends)
        with writing_to(target):
            beside.replace(target)
            size = target.stat().st_size
    except BaseException:  # whatever broke off the writing, half a file must not stay, least of all on a full disk
        with suppress(OSError):
            beside.unlink()
        raise
    folder.publish(name_of(format))
    return size, ends.of_steps()


def _check_any(ends: Ends) -> None:
    """Raises NothingRead when all time steps have failed."""
    told = ends.of_steps()
    if all(status is SliceStatus.FAILED for status, _ in told):
        advice = "retry when the files are back: all of them are read anew then"
        raise NothingRead(f"{told[0][1]}; {advice}", steps=len(told))


def _header(parts: Sequence[tuple[Part, CubePlan]]) -> CubeHeader:
    """Of the whole cube."""
    steps = tuple(step for part, plan in parts for step in plan.header.steps if part.row == 0)
    height = sum(part.height for part, _ in parts if part.first == 0)
    first = parts[0][1]
    grid = first.grid.shifted(0, 0, height=height, width=first.grid.width)
    return replace(first.header, grid=grid, steps=steps)
