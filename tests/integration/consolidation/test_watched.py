"""What readers and other jobs see while jobs are executed by an orchestrator."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from killing import GRID, Archive

from prismcube.jobs.entities import NewJob
from prismcube.model.machine import Level, Status
from prismcube.model.task_states import TaskState

pytestmark = pytest.mark.usefixtures("line")


@pytest.fixture
def archive(bench: Any, tmp_path: Path, pixels: Callable[..., Any]) -> Archive:
    """Never consolidated."""
    return Archive(bench, tmp_path, pixels, consolidated=False)


def test_cube_is_always_whole_while_it_is_swapped(archive: Archive, same_cubes: Any) -> None:
    """It is asked for in a loop during swap and deletion: never an error, never a mixture."""
    before = archive.bench.cube(GRID)
    stop, seen, wrong = threading.Event(), 0, []

    def read() -> None:
        nonlocal seen
        while not stop.is_set():
            try:
                same_cubes(before, archive.bench.cube(GRID))
                seen += 1
            except Exception as error:
                wrong.append(error)
                return

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for name in ("one", "two", "three"):
            archive.wait(archive.submit("consolidate", instances=["v/i"], layout=archive.bench.layout(name)))
            archive.wait_for_all()
    finally:
        stop.set()
        reader.join()
    assert wrong == []
    assert seen > 3
    assert np.unique([one.uri for one in archive.bench.datasets()]).size == 2


def test_second_job_on_the_same_datasets_is_refused(archive: Archive) -> None:
    new = NewJob(
        process="consolidate", inputs={"instances": ["v/i"], "layout": archive.bench.layout()}, level=Level.CRITICAL
    )
    first = archive.ledger.submit(new)[0].id
    archive.wait(first, paused=True)  # before the swap, with its locks
    second = archive.wait(archive.submit("consolidate", instances=["v/i"], layout=archive.bench.layout("other")))
    assert (second.status, second.stage) == (Status.FAILED, "prepare-failed")
    assert f"is locked by job '{first}'" in second.message
    archive.ledger.resume(first)
    assert archive.wait(first).status is Status.SUCCESSFUL
    archive.ledger.retry(second.id)
    assert archive.wait(second.id).status is Status.SUCCESSFUL


def test_a_job_that_reads_too_much_is_stopped_and_keeps_what_it_has(archive: Archive, same_cubes: Any) -> None:
    before = archive.bench.cube(GRID)
    id = archive.submit("consolidate", most_bytes=1000, instances=["v/i"], layout=archive.bench.layout())
    stops = 0
    while (job := archive.wait(id)).status is not Status.SUCCESSFUL:
        stops += 1
        assert (job.stage, job.status) == ("consolidate-failed", Status.FAILED)
        assert "read more than 1,000 bytes" in job.message
        assert job.bytes > 1000
        done = sum(task.stage == "consolidate" and task.state is TaskState.DONE for task in archive.ledger.tasks(id))
        assert 1 <= done <= len(archive.bench.files()) <= 2  # one may have been stopped just after its file
        same_cubes(before, archive.bench.cube(GRID))
        assert stops <= 2, "each retry does a task at least, and there are two"
        archive.ledger.retry(id)
    assert stops > 0
    same_cubes(before, archive.bench.cube(GRID))
    enough = archive.submit("consolidate", most_bytes=10**9, instances=["v/i"], layout=archive.bench.layout("other"))
    assert (done := archive.wait(enough)).status is Status.SUCCESSFUL
    assert 3 * 60 * 100 * 2 <= done.bytes < 10**6  # three dates of 60 x 100 pixels
