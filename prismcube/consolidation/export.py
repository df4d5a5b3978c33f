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
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import orjson

from prismcube.catalogue import Catalogue
from prismcube.consolidation.unread import problem_of
from prismcube.cube.budget import step_bytes
from prismcube.cube.grids import GridRequest, output_grid
from prismcube.cube.observer import NOBODY, Observer
from prismcube.cube.plan import CubePlan
from prismcube.cube.plan_document import parse_plan, plan_document
from prismcube.cube.planner import make_plan
from prismcube.cube.sources import find_sources
from prismcube.errors import BudgetExceeded, InvalidInput, NothingRead, OutsideExtent, SourceError
from prismcube.model.collection import Collection
from prismcube.model.cube import CubeHeader, Ends, Slice, SliceStatus
from prismcube.model.grid import CRS84, Bounds, Grid
from prismcube.model.period import Period
from prismcube.storage.store import download, upload
from prismcube.storage.uri import gdal_path, is_remote
from prismcube.tiff.publish import publishing, writing_to

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
        bbox = inputs.get("bbox")
        if bbox is None and inputs.get("bboxCrs"):
            raise InvalidInput("bboxCrs", "is of a bbox, and none is given")
        resolution = inputs.get("resolution")
        across, down = resolution if isinstance(resolution, list) else (resolution, resolution)
        return cls(
            collection=inputs["collection"],
            fields=tuple(inputs.get("properties") or ()),
            grid=GridRequest(
                crs=inputs.get("crs"),
                bounds=None if bbox is None else Bounds(*map(float, bbox)),
                bounds_crs=inputs.get("bboxCrs") or CRS84,
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


@dataclass(frozen=True)
class Part:
    """What is computed at once: some steps whole, or some rows of one."""

    first: int
    """Step."""
    after: int
    """The step after the last one."""
    row: int
    """The first one."""
    height: int
    """Rows."""

    @property
    def name(self) -> str:
        """For people, who count from 1."""
        steps = (
            f"time step {self.after}"
            if self.after == self.first + 1
            else f"time steps {self.first + 1} to {self.after}"
        )
        return f"{steps}, from row {self.row + 1}" if self.row else steps

    def of(self, plan: CubePlan) -> CubePlan:
        """Its plan."""
        if self.height == plan.grid.height:
            return replace(plan, slices=plan.slices[self.first : self.after])
        return plan.piece(self.first, self.row, self.height)


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
        raise OutsideExtent("collection", f"{collection.name} has no data")
    fields = order.fields or tuple(one.name for one in collection.stored_fields or collection.fields)
    grid = output_grid(collection.extent.native, order.grid)
    if grid is None:
        raise OutsideExtent("bbox", "touches no data of the collection")
    plan = _plan(catalogue, collection, fields, grid, order)
    if not plan.slices:
        raise OutsideExtent("datetime", "there are no data at this place and time")
    format = FORMATS[order.format]
    format.check(plan.header)
    return Export(plan, tuple(_parts(plan, _rows(plan, format.block_rows, memory))))


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


@dataclass(frozen=True)
class Folder:
    """Where a job keeps its parts and puts its file: a local folder, or a bucket by way of one."""

    uri: str
    scratch: Path
    """Of the task at hand: for files on their way to and from a bucket."""

    @classmethod
    def of(cls, catalogue: Catalogue, job: str, scratch: Path = Path()) -> Folder:
        """Raises InvalidInput when no folder's files are ours."""
        if catalogue.managed is None:
            raise InvalidInput("format", "no folder's files are ours yet (setting prismcube.catalogue.managed)")
        return cls(f"{catalogue.managed.rstrip('/')}/results/{job}", scratch)

    @property
    def is_remote(self) -> bool:
        return is_remote(self.uri)

    def local(self, name: str) -> Path:
        """Where a file is written, and lies once it is `fetched`."""
        return self.scratch / name if self.is_remote else Path(gdal_path(f"{self.uri}/{name}"))

    def prepare(self, name: str) -> Path:
        """`local`, in a folder that is there. Raises as `writing_to` does."""
        path = self.local(name)
        with writing_to(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def publish(self, name: str) -> None:
        """Of what lies whole at `local`: put it into the bucket, if that is where it belongs. Raises SourceError."""
        if self.is_remote:
            upload(self.local(name), f"{self.uri}/{name}")

    @contextmanager
    def fetched(self, name: str) -> Iterator[Path]:
        """A file of the folder, here for as long as the block lasts. Raises SourceError."""
        if not self.is_remote:
            yield self.local(name)
            return
        path = self.prepare(name)
        with writing_to(path):
            download(f"{self.uri}/{name}", path)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def cube(self, format: str) -> str:
        """Name of the cube."""
        return f"cube.{FORMATS[format].extension}"

    def href(self, format: str) -> str:
        """URI of the cube."""
        return f"{self.uri}/{self.cube(format)}"


def _plan_of(number: int) -> str:
    return f"parts/{number:06}.json"


def _pixels_of(number: int) -> str:
    return f"parts/{number:06}.npz"


def write_plans(export: Export, folder: Folder) -> list[int]:
    """The plan of each part into a file; bytes that each part reads."""
    read = []
    for number, part in enumerate(export.parts):
        plan = part.of(export.plan)
        document = {"part": astuple(part), "plan": plan_document(plan)}
        _put(folder.prepare(_plan_of(number)), orjson.dumps(document))
        folder.publish(_plan_of(number))
        read.append(plan.read_bytes)
    return read


def _put(path: Path, data: bytes) -> None:
    with publishing(path, sync=False) as file, os.fdopen(os.dup(file), "wb") as stream, writing_to(path):
        stream.write(data)


def _part(folder: Folder, number: int) -> tuple[Part, CubePlan]:
    with folder.fetched(_plan_of(number)) as path:
        try:
            document = orjson.loads(path.read_bytes())
            return Part(*document["part"]), parse_plan(document["plan"])
        except OSError as error:
            raise SourceError(str(path), f"the part's plan can't be read: {error.strerror}") from error


def compute_part(
    folder: Folder,
    number: int,
    *,
    incomplete: bool,
    progress: Callable[[float, str], None],
    observer: Observer = NOBODY,
) -> dict[str, int]:
    """The slices of a part into a file; how many ended in which way.

    `incomplete`: also those that can't be read wholly, with what could be. `progress` is called before each file, too,
    from several threads; it raises Cancelled when nobody wants the cube any more. `observer` is told of what is read.
    Raises SourceError for slices that can't be read wholly, unless `incomplete`, naming a file of the first one; the
    others are computed before, so that it tells how many there are.
    """
    from prismcube.cube.engine import execute  # brings kernels, of which asking for jobs needs none

    _, plan = _part(folder, number)
    count, done = len(plan.slices), 0

    def tell() -> None:
        progress(done / count, f"{done} of {count} time steps")

    ends: dict[str, int] = {}
    problems: list[SourceError] = []
    path = folder.prepare(_pixels_of(number))
    with publishing(path, sync=False) as file, os.fdopen(os.dup(file), "wb") as stream:
        for one in execute(plan, stop=tell, observer=observer):
            ends[one.status.value] = ends.get(one.status.value, 0) + 1
            problem = None if incomplete else problem_of(plan, one, "could not be exported")
            problems += [problem] if problem else []
            with writing_to(path):
                _write_slice(stream, one)
            done = one.index + 1
            tell()
        if problems:
            raise _first_of(problems)
    folder.publish(_pixels_of(number))
    return ends


def _first_of(problems: Sequence[SourceError]) -> SourceError:
    """The first one, which tells how many there are."""
    first, count = problems[0], len(problems)
    more = f" ({count:,} time steps of this part can't be read, or not wholly)" if count > 1 else ""
    return SourceError(first.uri, f"{first.reason}{more}")


def _write_slice(stream: Any, one: Slice) -> None:
    np.save(stream, np.frombuffer(orjson.dumps([one.status.value, one.message]), dtype=np.uint8))
    for data, valid in zip(one.data, one.valid, strict=True):
        np.save(stream, data)
        np.save(stream, np.packbits(valid))


def _read_slices(folder: Folder, number: int, part: Part, plan: CubePlan) -> Iterator[Slice]:
    with folder.fetched(_pixels_of(number)) as path:
        try:
            with path.open("rb") as stream:
                for index in range(part.first, part.after):
                    yield replace(_read_slice(stream, plan, index), row=part.row)
        except (OSError, ValueError, EOFError) as error:
            raise SourceError(str(path), f"a part of the cube can't be read: {error}") from error


def _read_slice(stream: Any, plan: CubePlan, index: int) -> Slice:
    status, message = orjson.loads(np.load(stream).tobytes())
    data, valid = [], []
    for _ in plan.fields:
        data.append(np.load(stream))
        bits = np.unpackbits(np.load(stream), count=plan.grid.pixels)
        valid.append(bits.astype(bool).reshape(plan.grid.shape))
    return Slice(index, tuple(data), tuple(valid), SliceStatus(status), message)


def write_cube(
    folder: Folder, parts: int, *, format: str, title: str, progress: Callable[[float, str], None]
) -> tuple[int, list[tuple[SliceStatus, str]]]:
    """All parts into one file, which appears whole; its bytes, and how each time step ended, with its message.

    Raises as the encoders do, SourceError, and NothingRead when not one time step could be read.
    """
    known = [_part(folder, number) for number in range(parts)]
    header = _header(known)
    ends = Ends(len(header.steps))

    def slices() -> Iterator[Slice]:
        for number, (part, plan) in enumerate(known):
            for one in _read_slices(folder, number, part, plan):
                yield one
                ends.add(one)
                done = one.index + (part.row + part.height) / header.grid.height
                progress(done / len(header.steps), f"{int(done)} of {len(header.steps)} time steps")

    target = folder.prepare(folder.cube(format))
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
    folder.publish(folder.cube(format))
    return size, ends.of_steps()


def _check_any(ends: Ends) -> None:
    """Raises NothingRead when all time steps have failed."""
    told = ends.of_steps()
    if all(status is SliceStatus.FAILED for status, _ in told):
        advice = "a retry reads nothing anew, so cancel the job, and submit another one when the files are back"
        raise NothingRead(f"{told[0][1]}; {advice}", steps=len(told))


def _header(parts: Sequence[tuple[Part, CubePlan]]) -> CubeHeader:
    """Of the whole cube."""
    steps = tuple(step for part, plan in parts for step in plan.header.steps if part.row == 0)
    height = sum(part.height for part, _ in parts if part.first == 0)
    first = parts[0][1]
    grid = first.grid.shifted(0, 0, height=height, width=first.grid.width)
    return replace(first.header, grid=grid, steps=steps)
