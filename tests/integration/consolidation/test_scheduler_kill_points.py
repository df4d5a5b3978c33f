"""Dask's scheduler is killed at moves of a job that follow from a task's end: just before it is committed, and after.

Its workers end with it. Just before, the end of a stage's last task is not recorded yet, and the cluster that told it
is gone; just after, the next stage's tasks are to be given to one that is not there. test_dask.py and test_killed.py
kill the scheduler in the middle of many tasks.

make test     how many there are; test_dask.py kills the scheduler of a few tasks
make chaos    (PRISMCUBE_CHAOS) all of them, on both databases
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from dask_cluster import DaskCluster
from killing import Archive
from orchestrating import MOVES, WHEN, Move, Program, Scene, check, wait_for_kill

from prismcube.model.machine import Event

FULL = "PRISMCUBE_CHAOS" in os.environ
CHOSEN = [move for move in MOVES if move[2] is Event.DONE]
"""Of the others a cluster knows nothing."""


def name_of(move: Move) -> str:
    process, stage, _, _ = move
    return f"{process}-{stage.name}"


def test_number_of_kill_points() -> None:
    """The moves are counted in test_orchestrator_kill_points.py."""
    assert len(CHOSEN) * len(WHEN) == 44


@pytest.mark.skipif(not FULL, reason="test_dask.py kills the scheduler of a few tasks; this is its long form")
@pytest.mark.parametrize("url", ["sqlite", "postgresql"] if FULL else ["sqlite"], indirect=True)
@pytest.mark.parametrize("cluster", ["dask"], indirect=True)
@pytest.mark.parametrize("when", WHEN if FULL else WHEN[:1])
@pytest.mark.parametrize("move", CHOSEN if FULL else CHOSEN[:1], ids=name_of)
def test_killed_at(
    archive: Archive,
    url: str,
    tmp_path: Path,
    cluster: DaskCluster,
    move: Move,
    when: str,
    same_cubes: Callable[..., None],
) -> None:
    scene, pid_file = Scene(archive, move), tmp_path / "scheduler"
    assert cluster.scheduler is not None
    killed, order = cluster.scheduler.pid, f"{scene.moves} {when}"
    pid_file.write_text(str(killed))
    archive.order(order, pid_file)
    program = Program(archive, url, tmp_path, cluster)
    program.start()
    try:
        id = scene.begin()
        wait_for_kill(archive, 1)
        assert archive.killed() == [(killed, order)]
        cluster.stop()
        cluster.start()
        check(scene, id, same_cubes)
        assert program.is_running
    finally:
        program.stop()
