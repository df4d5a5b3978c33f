"""What tests that kill share: the ways of jobs through their machines, an archive to send them over, and what is left.

Jobs go one of three ways: `done`, from the beginning to the good end; `untidy`, where a file can't be deleted, but all
else; `cancelled`, where a person stops them and all is taken back.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

import killed_tasks
import simple_jobs
from affine import Affine

from prismcube.jobs.entities import Job, NewJob, Task
from prismcube.jobs.ledger import Ledger
from prismcube.model.collection import Collection, StoredField
from prismcube.model.entities import DatasetStatus
from prismcube.model.formats import DataFormat
from prismcube.model.grid import Grid
from prismcube.model.machine import Event, Level, Machine, Stage, Status
from processes import export_cube

LONG = 180
"""Seconds after which a test that waits has failed: a bound for hanging, not a measure."""
GRID = Grid("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_000_000), 100, 60)
DATASETS = 2 * 3
"""Of ours: two cells of three dates."""
FANNED = {"consolidate": 2, "delete-files": 1, "compute": 2}
"""Tasks of the stages that have many: files of cells, files to delete, parts of a cube."""
TAKEN_BACK_FROM = {"consolidate": "swap", "delete-datasets": "delete-files", "export-cube": "clean"}
"""Before this stage a job is cancelled, so that there is something to take back."""


class Way(StrEnum):
    """Which way a job goes."""

    DONE = "done"
    UNTIDY = "untidy"
    CANCELLED = "cancelled"


def work_stages(machine: Machine) -> list[Stage]:
    """Those with tasks."""
    return [stage for stage in machine.stages if stage.task]


def way_of(machine: Machine, stage: Stage) -> Way:
    """On which jobs come to a stage that has tasks."""
    if stage in stages_on(machine, Way.DONE):
        return Way.DONE
    events = {event for _, event, target in machine.walk() if target == stage.name}
    return Way.CANCELLED if Event.CANCEL in events else Way.UNTIDY


def stages_on(machine: Machine, way: Way) -> list[Stage]:
    """The stages with tasks that a job goes through on a way, all others of which go well."""
    if way is Way.CANCELLED:
        return [stage for stage in work_stages(machine) if way_of(machine, stage) is way]
    found, stage = [], machine.first
    while stage.task:
        found.append(stage)
        failed = machine.stage(stage.moves[Event.FAILED])
        stage = failed if way is Way.UNTIDY and failed.task else machine.stage(stage.moves[Event.DONE])
    return found


@dataclass(frozen=True, kw_only=True)
class Found:
    """How an archive was before."""

    cube: Any
    active: list[int]
    sources: list[Path]
    files: set[str]


class Archive:
    """Three dates, and the ledger of their catalogue."""

    def __init__(self, bench: Any, folder: Path, pixels: Callable[..., Any], *, consolidated: bool = True) -> None:
        self.bench = bench
        self.ledger = Ledger(bench.catalogue.engine, killed_tasks.DEFINITIONS)
        self.orders = folder / "orders"
        self.orders.mkdir()
        instance = bench.variable()
        for day in range(3):
            bench.add(pixels(60, 100, seed=day, empty=[(slice(0, 20), slice(0, 30))]), day=day)
        self.layout = bench.layout()
        if consolidated:
            bench.consolidate(instances=["v/i"], layout=self.layout).run()
        field = StoredField(name="b", instance_id=instance, band=0, format=DataFormat(dtype="uint16", nodata=0))
        bench.catalogue.collections.put(Collection(name="c", fields=(field,)))
        self.before = Found(
            cube=bench.cube(GRID),
            active=[one.id for one in bench.datasets(DatasetStatus.ACTIVE)],
            sources=sorted(bench.sources.iterdir()),
            files=self.files(),
        )

    def order(self, text: str, victim: Path | None = None) -> None:
        """See `killed_tasks`; `victim`: a file that tells which process is killed in place of the one that comes there.

        It is there with what it holds, or not at all.
        """
        written = self.orders.parent / "order"
        written.write_text(str(victim or ""))
        written.rename(self.orders / text)

    def revoke(self, text: str) -> None:
        (self.orders / text).unlink()

    def open_orders(self) -> set[str]:
        """Those that nobody has come to."""
        return {path.name for path in self.orders.iterdir()} - {"killed", "reached"}

    def killed(self) -> list[tuple[int, str]]:
        """Processes, and what each was ordered."""
        found = (line.partition(" ") for line in self._lines("killed"))
        return [(int(pid), order) for pid, _, order in found]

    def reached(self) -> set[tuple[str, str]]:
        """Kinds of tasks, and points to which one has come."""
        found = (line.partition(" ") for line in self._lines("reached"))
        return {(kind, point) for kind, _, point in found}

    def _lines(self, name: str) -> Iterator[str]:
        file = self.orders / name
        yield from file.read_text().splitlines() if file.exists() else ()

    def submit(self, process: str, *, level: Level = Level.NONE, most_bytes: int | None = None, **inputs: Any) -> str:
        return self.ledger.submit(NewJob(process=process, inputs=inputs, level=level, most_bytes=most_bytes))[0].id

    def begin(self, process: str, *, level: Level = Level.NONE) -> str:
        """Submit a job for the whole archive."""
        if process == "consolidate":
            settings = {"compression": "none"}
            return self.submit(process, level=level, instances=["v/i"], layout=self.layout, consolidation=settings)
        if process == "export-cube":
            return self.submit(process, level=level, collection="c")
        if process in killed_tasks.SIMPLE:
            return self.submit(process, level=level, **simple_jobs.inputs(self.bench, process))
        return self.submit(process, level=level, instances=["v/i"], status="active")

    def wait(self, id: str, *, paused: bool = False) -> Job:
        """Until nothing of a job goes on by itself, or, if so, until it waits before a stage."""
        deadline = time.monotonic() + LONG
        while True:
            job = self.ledger.get(id)
            if job.paused if paused else (job.finished and not job.stopping):
                return job
            assert time.monotonic() < deadline, (job, self.ledger.tasks(id))
            time.sleep(0.02)

    def bring_to(self, id: str, stage: str) -> None:
        """Let a job of level `all` go on until it waits before a stage."""
        while (job := self.wait(id, paused=True)).stage != stage:
            if not job.stopping:
                self.ledger.resume(id)

    def wait_for_all(self) -> None:
        for job in self.ledger.jobs():
            self.wait(job.id)

    def tasks(self, id: str) -> list[Task]:
        """Those of which there was an attempt."""
        return [task for task in self.ledger.tasks(id, limit=1000) if task.attempt]

    @cached_property
    def exported(self) -> bytes:
        """The file of an export that nobody disturbs."""
        job = self.bench.job(export_cube.PROCESS, collection="c").run()
        path = self.bench.managed / "results" / job.id / "cube.nc"
        data: bytes = path.read_bytes()
        path.unlink()
        path.parent.rmdir()
        return data

    def files(self) -> set[str]:
        """URIs of all that lies in our folder."""
        return {path.as_uri() for path in self.bench.files()}

    def block_a_file(self) -> Path:
        """A folder in a file's place, which nobody can delete."""
        path = self.bench.files()[0]
        path.unlink()
        path.mkdir()
        return path


def check_tasks(archive: Archive, id: str, stages: list[str]) -> None:
    """Each of the stages was begun once, and its tasks were made once; there are no others."""
    tasks = archive.tasks(id)
    assert Counter(task.stage for task in tasks) == {name: FANNED.get(name, 1) for name in stages}
    assert len({(task.stage, task.name) for task in tasks}) == len(tasks)
    machine = archive.ledger.machine(archive.ledger.get(id))
    begun = Counter(
        line.stage
        for line in archive.ledger.log(id, limit=1000)
        if line.message in (machine.stage(line.stage).meaning, f"waits for `continue` before the stage {line.stage!r}")
    )
    assert set(begun.values()) == {1}, begun
    assert begun.keys() >= set(stages)


def check_points(archive: Archive) -> None:
    """No task has come to a point that the table does not name."""
    unnamed = {(kind, point) for kind, point in archive.reached() if point not in killed_tasks.points_of(kind)}
    assert unnamed == set()


def check_end(archive: Archive, id: str, way: Way, same_cubes: Callable[..., None]) -> None:
    """The job is at the end of its way, readers see what they should, and nothing else is left."""
    job, bench, before = archive.wait(id), archive.bench, archive.before
    archive.wait_for_all()
    assert job.status is (Status.DISMISSED if way is Way.CANCELLED else Status.SUCCESSFUL), job.message
    others = [one for one in archive.ledger.jobs() if one.id != id]
    if job.process in killed_tasks.SIMPLE:
        assert others == []
        _check_simple(archive, id, job.process, same_cubes)
        return
    active = bench.datasets(DatasetStatus.ACTIVE)
    assert bench.datasets(DatasetStatus.INACTIVE) == []
    assert len(bench.datasets(DatasetStatus.TO_DELETE)) == len(before.sources)  # since the archive was made
    assert bench.catalogue.datasets.locks(one.id for one in bench.datasets(None)) == {}
    assert sorted(bench.sources.iterdir()) == before.sources
    files = {one.uri for one in active}
    if (job.process, way) == ("consolidate", Way.DONE):
        [clean] = [task for task in archive.tasks(id) if task.stage == "clean"]
        assert [one.id for one in others] == [(clean.result or {})["deletion"]]
        assert [one.status for one in others] == [Status.SUCCESSFUL]
        assert files.isdisjoint(before.files)
        assert len(active) == DATASETS
    else:
        assert others == []
        gone = job.process == "delete-datasets" and way is not Way.CANCELLED
        assert [one.id for one in active] == ([] if gone else before.active)
    if active:
        same_cubes(before.cube, bench.cube(GRID))
    if (job.process, way) == ("export-cube", Way.DONE):
        cube = bench.managed / "results" / id / "cube.nc"
        assert cube.read_bytes() == archive.exported
        assert list(cube.parent.iterdir()) == [cube]
        files.add(cube.as_uri())
    else:
        assert not (bench.managed / "results" / id).exists()
    assert archive.files() == files


def _check_simple(archive: Archive, id: str, process: str, same_cubes: Callable[..., None]) -> None:
    """What its one task does is done once, if there was an attempt of it, and nothing else has changed."""
    bench, before = archive.bench, archive.before
    done = bool(archive.tasks(id))
    simple_jobs.check(bench, process, archive.ledger.whole(id).results, done=done)
    ours = [one for one in bench.datasets() if one.id in before.active]
    assert [one.id for one in ours] == before.active
    assert len(bench.datasets()) == len(before.active) + (simple_jobs.ADDS.get(process, 0) if done else 0)
    assert bench.datasets(DatasetStatus.INACTIVE) == []
    assert bench.catalogue.datasets.locks(one.id for one in bench.datasets(None)) == {}
    assert sorted(bench.sources.iterdir()) == before.sources
    assert archive.files() == before.files
    same_cubes(simple_jobs.expected(before.cube, process, done=done), bench.cube(GRID))
    if done and process in simple_jobs.ADDS:
        same_cubes(simple_jobs.of_copies(before.cube), bench.cube(GRID, variable="w"))


def check_untidy(archive: Archive, id: str, blocked: Path) -> None:
    """Of an untidy end: the catalogue has the one file still, and a retry removes both when that can be done."""
    assert archive.ledger.get(id).stage == "done-untidy"
    ours = [one.uri for one in archive.bench.catalogue.containers.list() if one.managed]
    assert ours == [blocked.as_uri()]
    blocked.rmdir()
    archive.ledger.retry(id)
    assert archive.wait(id).stage == "done"
    assert not [one for one in archive.bench.catalogue.containers.list() if one.managed]
