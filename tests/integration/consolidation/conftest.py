"""Jobs run in the test's own process: a ledger that is a list, with the rules of the machines."""

from __future__ import annotations

import itertools
import json
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from ingester.index import Indexer, read_mapping
from ingester.validation import check_dataset, dataset_of, header_of
from prismcube.catalogue import Catalogue, FileEntry, Holding
from prismcube.catalogue.datasets import DatasetFilter
from prismcube.cube.engine import execute
from prismcube.cube.planner import make_plan
from prismcube.cube.request import CubeRequest
from prismcube.errors import Conflict, PrismcubeError
from prismcube.model.collection import Collection, StoredField
from prismcube.model.entities import Container, DatasetStatus, Instance, Record, Variable
from prismcube.model.formats import DataFormat, ValueMapping
from prismcube.model.grid import Grid
from prismcube.model.grouping import group_records
from prismcube.model.layout import Layout, RegularGrid
from prismcube.model.machine import Event, Stage
from prismcube.model.work import LogLevel, NewTask
from prismcube.raster.inspect import inspect
from processes import consolidate, delete_datasets
from processes.process import Process
from processes.tools import Tools

START = datetime(2020, 1, 1, tzinfo=UTC)
UTM = "EPSG:32633"


class Killed(BaseException):
    """The process of a task is gone."""


@dataclass
class Task:
    """One of a job's tasks."""

    id: int
    stage: str
    name: str
    payload: Mapping[str, Any]
    result: Mapping[str, Any] | None = None
    error: Exception | None = None
    attempts: int = 0


@dataclass
class FakeWork:
    """An attempt of a task."""

    job: str
    task: int
    name: str
    payload: Mapping[str, Any]
    attempt: int
    inputs: Mapping[str, Any]
    scratch: Path
    of: FakeJob
    handed: list[tuple[str, NewTask]] = field(default_factory=list)

    def progress(self, share: float, message: str = "") -> None:
        assert 0 <= share <= 1, message

    def log(self, message: str, level: LogLevel = LogLevel.INFO) -> None:
        self.of.messages.append(message)

    def hand_over(self, stage: str, tasks: Iterable[NewTask]) -> int:
        new = [(stage, one) for one in tasks]
        assert len({one.name for _, one in new}) == len(new), "names of tasks are unique"
        self.handed += new
        return len(new)

    def previous(self, stage: str) -> Iterable[Mapping[str, Any]]:
        return [task.result for task in self.of.tasks[stage] if task.result is not None]


class FakeJob:
    """A job, moved on by hand or to its end."""

    def __init__(self, process: Process, tools: Tools, inputs: Mapping[str, Any], scratch: Path, *, id: str) -> None:
        self.process = process
        self.tools = tools
        self.inputs = json.loads(json.dumps(inputs))
        self.scratch = scratch
        self.id = id
        self.stage: Stage = process.machine.first
        self.tasks: dict[str, list[Task]] = defaultdict(list)
        self.messages: list[str] = []
        self._ids = itertools.count(1)
        self._enter()

    def _enter(self) -> None:
        if self.stage.task and not self.stage.fans_out and not self.open_tasks():
            self.tasks[self.stage.name].append(Task(next(self._ids), self.stage.name, self.stage.name, {}))

    def open_tasks(self) -> list[Task]:
        return [task for task in self.tasks[self.stage.name] if task.result is None]

    def attempt(self, task: Task) -> None:
        """Run a task once more; its result counts, with what it has handed over."""
        task.attempts += 1
        scratch = self.scratch / f"{task.id}-{task.attempts}"
        scratch.mkdir(parents=True)
        payload = json.loads(json.dumps(dict(task.payload)))
        work = FakeWork(self.id, task.id, task.name, payload, task.attempts, self.inputs, scratch, self)
        body = self.process.bodies[self.process.machine.stage(task.stage).task]
        try:
            result = body(self.tools, work, payload)
        except PrismcubeError as error:
            task.error = error
            return
        finally:
            shutil.rmtree(scratch)
        task.result, task.error = json.loads(json.dumps(result)), None
        if work.handed:
            for stage in {stage for stage, _ in work.handed}:
                self.tasks[stage].clear()
            for stage, one in work.handed:
                self.tasks[stage].append(Task(next(self._ids), stage, one.name, dict(one.payload)))

    def move(self, event: Event) -> None:
        target = self.process.machine.after(self.stage.name, event)
        assert target is not None, f"{event} in {self.stage.name}"
        self.stage = target
        self._enter()

    def step(self) -> None:
        """All tasks of a stage, and on to the next."""
        for task in self.open_tasks():
            self.attempt(task)
        failed = any(task.error for task in self.tasks[self.stage.name])
        self.move(Event.FAILED if failed else Event.DONE)

    def run(self, *, until: str = "") -> FakeJob:
        """To a stage, or to where nothing goes on by itself."""
        while self.stage.task and self.stage.name != until:
            self.step()
        return self

    def retry(self) -> FakeJob:
        self.move(Event.RETRY)
        return self.run()

    def cancel(self) -> FakeJob:
        self.move(Event.CANCEL)
        return self.run()

    @property
    def results(self) -> Mapping[str, Any]:
        """Of the last stage with one task that has ended well."""
        done = [task for tasks in self.tasks.values() for task in tasks if task.result is not None]
        last = max((t for t in done if not self.process.machine.stage(t.stage).fans_out), key=lambda t: t.id)
        assert last.result is not None
        return last.result

    @property
    def error(self) -> str:
        return "; ".join(str(task.error) for tasks in self.tasks.values() for task in tasks if task.error)


class Bench:
    """A catalogue, a folder of sources, a folder that is ours, and jobs."""

    def __init__(self, catalogue: Catalogue, folder: Path) -> None:
        self.catalogue = catalogue
        self.folder = folder
        self.managed = folder / "ours"
        self.sources = folder / "archive"
        self.sources.mkdir()
        catalogue.managed = self.managed.as_uri()
        self.jobs: dict[str, FakeJob] = {}
        self._keys: dict[str, str] = {}
        self.tools = Tools(catalogue=catalogue, submit=self._submit, threads=2, grace=0)
        self._numbers = itertools.count(1)

    def job(self, process: Process, **inputs: Any) -> FakeJob:
        process.check(self.tools, inputs)
        return self._job(process, inputs)

    def _job(self, process: Process, inputs: Mapping[str, Any]) -> FakeJob:
        id = f"job-{next(self._numbers)}"
        self.jobs[id] = FakeJob(process, self.tools, inputs, self.folder / "scratch" / id, id=id)
        return self.jobs[id]

    def _submit(self, process: str, inputs: Mapping[str, Any], *, key: str) -> str:
        assert process == "delete-datasets"
        if key not in self._keys:
            self._keys[key] = self._job(delete_datasets.PROCESS, inputs).id
        if self.jobs[self._keys[key]].inputs != json.loads(json.dumps(inputs)):
            raise Conflict("idempotency key", key, "was used for another request")
        return self._keys[key]

    def consolidate(self, **inputs: Any) -> FakeJob:
        return self.job(consolidate.PROCESS, **inputs)

    def delete(self, **inputs: Any) -> FakeJob:
        return self.job(delete_datasets.PROCESS, **inputs)

    def index(self, mapping: Path, folder: Path) -> None:
        """Index real images by a mapping of the examples."""
        summary = Indexer(self.catalogue, read_mapping(mapping)).run([folder])
        assert not summary.failed

    def variable(self, name: str = "v", *, bands: tuple[str, ...] = ("b",), **format: Any) -> int:
        """A variable with one instance; its id."""
        wanted = DataFormat(**{"dtype": "uint16", "nodata": 0, **format})
        stored = self.catalogue.variables.put(Variable(name=name, bands=bands, format=wanted))[0]
        return self.catalogue.instances.put(Instance(variable_id=stored.id or 0, name="i"))[0].id or 0

    def add(
        self,
        pixels: Any,
        *,
        day: int = 0,
        x: float = 500_000,
        y: float = 5_000_000,
        pixel: float = 10,
        crs: str = UTM,
        nodata: float | None = 0,
        variable: str = "v",
        record: str = "",
        mapping: ValueMapping | None = None,
        **profile: Any,
    ) -> Path:
        """Write a source, (bands, height, width) or (height, width), and index it."""
        bands = pixels[np.newaxis] if pixels.ndim == 2 else pixels
        path = self.sources / f"{len(list(self.sources.iterdir())):03}.tif"
        given = {"driver": "GTiff", "count": len(bands), "dtype": bands.dtype, "crs": crs, "nodata": nodata, **profile}
        place = Affine(pixel, 0, x, 0, -pixel, y)
        with rasterio.open(path, "w", height=bands.shape[1], width=bands.shape[2], transform=place, **given) as file:
            file.write(bands)
        self.store(path, variable=variable, record=record or f"R{day}", day=day, mapping=mapping)
        return path

    def store(
        self, path: Path, *, variable: str, record: str, day: int, mapping: ValueMapping | None = None, **more: Any
    ) -> None:
        """Index a file that is there."""
        of = self.catalogue.variables.get(variable)
        instance = self.catalogue.instances.get(of.id or 0, "i")
        info = inspect(str(path))
        parts = check_dataset(info, bands=tuple(range(1, len(of.bands) + 1)), variable=of, mapping=mapping)
        time = START + timedelta(days=day)
        one = dataset_of(info, parts, instance_id=instance.id or 0, time=time)
        entry = FileEntry(
            container=Container(uri=info.uri, etag=info.etag, **more),
            holdings=(Holding(record=Record(name=record, time=time), datasets=(one,)),),
            headers={"": header_of(one)},
        )
        assert not isinstance(self.catalogue.files.put_many([entry])[0], Exception)

    def layout(self, name: str = "cells", *, size: int = 64, **more: Any) -> str:
        """A layout of cells of 64 x 64 pixels of 10 metres."""
        given: dict[str, Any] = {
            "grid": RegularGrid(crs=UTM, resolution=10, cell_width=size, cell_height=size, origin_y=5_000_000),
            "max_records": 10,
            "block_width": 16,
            "block_height": 16,
            "overviews_min_size": 16,
            **more,
        }
        self.catalogue.layouts.put(Layout(name=name, **given))
        return name

    def datasets(self, status: DatasetStatus | None = DatasetStatus.ACTIVE) -> list[Any]:
        return self.catalogue.datasets.list(DatasetFilter(status=status), limit=10_000)

    def cube(self, grid: Grid, *, variable: str = "v", resampling: str = "nearest", group: str = "record") -> Any:
        """What readers see now: {record name: (values, valid)}, by the engine."""
        of = self.catalogue.variables.get(variable)
        instance = self.catalogue.instances.get(of.id or 0, "i").id or 0
        return self.cube_of(instance, of, grid, resampling=resampling, group=group)

    def cube_of(self, instance: int, of: Variable, grid: Grid, *, resampling: str = "nearest", group: str = "record"):
        fields = tuple(
            StoredField(name=f"f{band}", instance_id=instance, band=band, format=of.format)
            for band in range(len(of.bands))
        )
        active = self.catalogue.datasets.list(
            DatasetFilter(status=DatasetStatus.ACTIVE, instances=(instance,)), limit=10_000
        )
        records = self.catalogue.records.get_many({one.record_id for one in active})
        request = CubeRequest(
            collection=Collection(name="read", fields=fields),
            fields=tuple(one.name for one in fields),
            grid=grid,
            groups=tuple(group_records(records, group)),
            resampling=resampling,
        )
        plan = make_plan(request, active, headers=self.catalogue.headers.of(active))
        found = {}
        for one in execute(plan):
            assert one.status.value in ("ok", "empty"), one.message
            found[plan.slices[one.index].step.records] = (np.stack(one.data), np.stack(one.valid))
        return found

    def state(self) -> Any:
        """All that a job may change."""
        every, catalogue = self.datasets(None), self.catalogue
        return (
            [(one.id, one.status) for one in every],
            catalogue.datasets.locks(one.id for one in every),
            [one.uri for one in catalogue.containers.list(limit=10_000)],
            catalogue.records.list(limit=10_000),
            catalogue.aois.list(limit=10_000),
            self.files(),
        )

    def files(self) -> list[Path]:
        return sorted(path for path in self.managed.rglob("*") if path.is_file())


@pytest.fixture
def bench(catalogue: Catalogue, tmp_path: Path) -> Iterator[Bench]:
    return Bench(catalogue, tmp_path)


@pytest.fixture
def sqlite_bench(tmp_path: Path) -> Iterator[Bench]:
    """On SQLite only: for what has nothing to do with the database."""
    from prismcube.catalogue import migrate

    url = f"sqlite:///{tmp_path}/catalogue.db"
    migrate(url)
    opened = Catalogue(url)
    yield Bench(opened, tmp_path)
    opened.close()


def same_cubes(before: Any, after: Any) -> None:
    """Every pixel of every date is the same; dates of which nothing is valid may be left out."""
    for key, (values, valid) in before.items():
        if not valid.any():
            assert key not in after or not after[key][1].any()
            continue
        np.testing.assert_array_equal(after[key][1], valid, err_msg=str(key))
        np.testing.assert_array_equal(after[key][0], values, err_msg=str(key))
    assert {key for key, (_, valid) in after.items() if valid.any()} <= before.keys()


@pytest.fixture(name="same_cubes")
def _same_cubes() -> Any:
    return same_cubes


@pytest.fixture
def pixels() -> Any:
    """Makes pictures of random numbers, 0 in none of them unless told."""

    def make(height: int, width: int, *, bands: int = 0, dtype: str = "uint16", seed: int = 0, empty: Any = ()) -> Any:
        generator = np.random.default_rng(seed)
        shape = (bands, height, width) if bands else (height, width)
        made = generator.integers(1, 250, shape).astype(dtype)
        for rows, cols in empty:
            made[..., rows, cols] = 0
        return made

    return make


@pytest.fixture
def killed() -> type[BaseException]:
    return Killed
