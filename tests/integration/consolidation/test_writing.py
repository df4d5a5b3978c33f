"""How a file is written: with how much memory and how many open files, from which state of its sources."""

from __future__ import annotations

import os
import resource
from dataclasses import replace

import numpy as np
import pytest
from affine import Affine

from prismcube.consolidation import writing
from prismcube.errors import Cancelled
from prismcube.model.grid import Grid
from prismcube.model.layout import SingleCell

GRID = Grid("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_000_000), 600, 300)


@pytest.fixture
def tall(sqlite_bench, pixels):
    """A date of a cell that is written in strips; at the top there is one source, at the bottom there are twelve."""
    bench = sqlite_bench
    bench.variable()
    bench.add(pixels(300, 300, seed=1), record="R0")
    for number in range(12):
        bench.add(pixels(300, 300, seed=number, empty=[(slice(0, 9), slice(0, 9))]), record="R0", y=4_997_000)
    bench.layout("tall", grid=SingleCell("EPSG:32633", 10), block_width=64, block_height=64)
    return bench


def test_every_strip_fits_into_memory(tall, monkeypatch, same_cubes):
    """Also where more sources lie than at the top."""
    before, seen = tall.cube(GRID), []
    execute = writing.execute

    def told(plan, **more):
        seen.append((plan.grid.height, writing._memory(plan)))
        return execute(plan, **more)

    monkeypatch.setattr(writing, "execute", told)
    tall.tools = replace(tall.tools, memory=3_000_000)
    job = tall.consolidate(instances=["v/i"], layout="tall").run()
    assert job.stage.name == "done", job.error
    assert max(memory for _, memory in seen) <= 3_000_000
    assert sum(height for height, _ in seen) == 602  # a row more on either side
    same_cubes(before, tall.cube(GRID))


def test_a_source_that_is_replaced_between_strips_fails(tall, pixels, monkeypatch):
    """Else a date would have pixels of both of its states."""
    path = tall.add(pixels(600, 300, seed=50), record="R1", day=1)
    other = tall.add(pixels(600, 300, seed=51), record="R2", day=2)
    left = [other]
    tell = writing._Job._tell

    def then(self, share=1.0):
        if 0 < share < 1 and left:
            os.replace(left.pop(), path)
        tell(self, share)

    monkeypatch.setattr(writing._Job, "_tell", then)
    tall.tools = replace(tall.tools, memory=500_000)
    [record] = {one.record_id for one in tall.datasets() if one.uri == path.as_uri()}
    job = tall.consolidate(instances=["v/i"], records=[record], layout="tall").run()
    assert job.stage.name == "consolidate-failed"
    assert "it was replaced since it was indexed" in job.error


def test_a_strip_can_be_given_up(tall, monkeypatch):
    """Not only between strips: before each of its files."""
    job = tall.consolidate(instances=["v/i"], layout="tall").run(until="consolidate")
    [task] = job.open_tasks()
    asked = []

    def progress(self, share, message=""):
        asked.append(share)
        if len(asked) == 5:
            raise Cancelled("task 2 is no longer wanted")

    monkeypatch.setattr(f"{type(job).__module__}.FakeWork.progress", progress)
    job.attempt(task)
    assert isinstance(task.error, Cancelled)
    assert set(asked) == {0.0}
    assert tall.files() == []


@pytest.fixture
def few_files():
    """Sets how many files this process may have open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def allow(number):
        resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))

    yield allow
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_many_dates_of_one_file_are_copied_from_one_open_file(sqlite_bench, few_files, same_cubes):
    bench = sqlite_bench
    bench.variable()
    for day in range(60):
        bench.add(np.full((16, 16), day + 1, dtype="uint16"), day=day)
    given = {"instances": ["v/i"], "layout": bench.layout(max_records=100)}
    bench.consolidate(**given).run()
    bench.add(np.full((16, 16), 99, dtype="uint16"), day=99)
    before = bench.cube(GRID)
    job = bench.consolidate(**given).run(until="consolidate")
    few_files(max(writing.OTHER_FILES, len(os.listdir("/proc/self/fd"))) + 30)
    job.run()
    assert job.stage.name == "done", job.error
    same_cubes(before, bench.cube(GRID))


def test_more_dates_than_files_may_be_open_are_refused(sqlite_bench, few_files):
    bench = sqlite_bench
    bench.variable()
    for day in range(40):
        bench.add(np.full((16, 16), day + 1, dtype="uint16"), day=day)
    job = bench.consolidate(instances=["v/i"], layout=bench.layout(max_records=100)).run(until="consolidate")
    few_files(writing.OTHER_FILES + 39)
    job.run()
    assert job.stage.name == "consolidate-failed"
    assert "needs 40 files open at once" in job.error
