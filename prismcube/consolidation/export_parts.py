"""Parts of a cube that is exported, and the folder of its job in which they lie.

    Folder ─ parts/000000.json    the plan of a part, so that whoever computes it needs no catalogue
           ─ parts/000000.npz     its slices, once they are computed

What is computed together is told by `Part`; which parts a cube has is planned in `export`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from prismcube.catalogue import Catalogue
from prismcube.consolidation.unread import problem_of
from prismcube.cube.observer import NOBODY, Observer
from prismcube.cube.plan import CubePlan
from prismcube.cube.plan_document import parse_plan, plan_document
from prismcube.errors import InvalidInput, SourceError
from prismcube.model.cube import Slice, SliceStatus
from prismcube.storage.store import download, upload
from prismcube.storage.uri import gdal_path, is_remote
from prismcube.tiff.publish import publishing, writing_to


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
class Folder:
    """Where a job keeps its parts and puts its file: a local folder, or a bucket by way of one."""

    uri: str
    scratch: Path
    """Of the task at hand: for files on their way to and from a bucket."""

    @classmethod
    def of(cls, catalogue: Catalogue, job: str, scratch: Path = Path()) -> Folder:
        """Of a new job: what is ours may lie elsewhere before it has ended, so that others are told its `uri`.

        Raises InvalidInput when no folder's files are ours."""
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


def _plan_of(number: int) -> str:
    return f"parts/{number:06}.json"


def _pixels_of(number: int) -> str:
    return f"parts/{number:06}.npz"


def write_plans(whole: CubePlan, parts: Sequence[Part], folder: Folder) -> list[int]:
    """The plan of each part into a file; bytes that each part reads."""
    read = []
    for number, part in enumerate(parts):
        plan = part.of(whole)
        document = {"part": astuple(part), "plan": plan_document(plan)}
        _put(folder.prepare(_plan_of(number)), orjson.dumps(document))
        folder.publish(_plan_of(number))
        read.append(plan.read_bytes)
    return read


def _put(path: Path, data: bytes) -> None:
    with publishing(path, sync=False) as file, os.fdopen(os.dup(file), "wb") as stream, writing_to(path):
        stream.write(data)


def read_part(folder: Folder, number: int) -> tuple[Part, CubePlan]:
    """A part and its plan. Raises SourceError."""
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

    _, plan = read_part(folder, number)
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


def read_slices(folder: Folder, number: int, part: Part, plan: CubePlan) -> Iterator[Slice]:
    """The slices of a part that was computed, in order. Raises SourceError."""
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
