"""The disk of our folder is full: a job rests and says so, nothing of half a file is seen or left, a retry goes on.

The disk is a small one, mounted for the test by whoever may do so, else within a namespace of its own. Where neither is
allowed, the process that writes may write no more.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import killed_tasks
import pytest
from killing import GRID, Archive, Way, check_end
from lines import Line
from small_disk import SmallDisk, mount, unmount, works

from prismcube.model.entities import DatasetStatus
from prismcube.model.machine import Status
from prismcube.model.task_states import TaskState

FULL = "PRISMCUBE_CHAOS" in os.environ
SIZE = 2**20
LEFT = 48 * 2**10
"""Of it when it is full: a file of one cell fits in, that of the other does not."""
MOUNT = mount(SIZE)
NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")


class SmallFiles:
    """A disk on which files can't be as long as they need."""

    full = "File too large"

    def __init__(self, archive: Archive) -> None:
        self._order = archive.orders / killed_tasks.LIMIT

    def fill(self) -> None:
        self._order.write_text("4096")

    def make_room(self) -> None:
        self._order.unlink()


@pytest.fixture(params=["disk", "limit"] if FULL else ["disk"])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """`disk`: it is mounted; `namespace`: it could be, in one; `limit`: there is none."""
    folder = tmp_path / "ours"
    folder.mkdir()
    if request.param == "disk" and works(*MOUNT, folder):
        yield "disk"
        unmount(folder)
    elif request.param == "disk" and works(*NAMESPACE, *MOUNT, folder):
        yield "namespace"
    else:
        yield "limit"


@pytest.fixture
def archive(kind: str, bench: Any, tmp_path: Path, pixels: Callable[..., Any]) -> Archive:
    """In the folder that may be a disk."""
    return Archive(bench, tmp_path, pixels)


@pytest.mark.parametrize("url", ["sqlite", "postgresql"] if FULL else ["sqlite"], indirect=True)
def test_the_disk_is_full(
    request: pytest.FixtureRequest, kind: str, archive: Archive, line: Line, same_cubes: Callable[..., None]
) -> None:
    if kind == "namespace":
        _run_within(request)
        return
    disk = SmallDisk(archive.bench.managed, left=LEFT) if kind == "disk" else SmallFiles(archive)
    disk.fill()
    before = archive.files()
    id = archive.begin("consolidate")
    job = archive.wait(id)
    assert (job.status, job.stage) == (Status.FAILED, "consolidate-failed")
    assert "could not be written" in job.message
    assert disk.full in job.message
    written = [task for task in archive.tasks(id) if task.stage == "consolidate"]
    done = [task for task in written if task.state is TaskState.DONE]
    failed = [task for task in written if task.state is TaskState.FAILED]
    assert (len(done), len(failed)) == ((1, 1) if kind == "disk" else (0, 2))
    assert {task.failures for task in failed} == {killed_tasks.DEFINITIONS["consolidate"].attempts}

    assert archive.files() == before | {(task.result or {})["slab"]["uri"] for task in done}
    assert not [*line.scratch.glob("*/*")]
    assert archive.bench.datasets(DatasetStatus.INACTIVE) == []
    assert [one.id for one in archive.bench.datasets()] == archive.before.active
    same_cubes(archive.before.cube, archive.bench.cube(GRID))

    disk.make_room()
    archive.ledger.retry(id)
    check_end(archive, id, Way.DONE, same_cubes)
    again = {task.id: task for task in archive.tasks(id) if task.stage == "consolidate"}
    assert all(again[task.id].attempt == 1 for task in done)
    assert all(again[task.id].failures == 0 for task in failed)


def _run_within(request: pytest.FixtureRequest) -> None:
    """This test, in a namespace where everybody may mount."""
    folder = request.getfixturevalue("tmp_path") / "within"
    options = ["-n0", "-p", "no:cacheprovider", "--basetemp", str(folder), request.node.nodeid]
    command = [*NAMESPACE, sys.executable, "-m", "pytest", *options]
    found = subprocess.run(command, cwd=request.config.rootpath, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout
    assert "1 passed" in found.stdout
