"""The orchestrator is killed at every move of a job that it makes: just before it is committed, and just after.

A move is recorded with what has ended. Before, this is lost with it: what it held is done again, at no cost. After,
nothing is done again. Each job is killed at twice, and started again twice.

make test     one move of each machine with several stages: by `done`, `failed` and `cancel`
make chaos    (PRISMCUBE_CHAOS) all moves, on both databases; by `done` on both engines as well
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dask_cluster import DaskCluster
from killed_tasks import SIMPLE
from killing import Archive, check_tasks
from orchestrating import MOVES, WHEN, Move, Program, Scene, check_goal

from prismcube.jobs.entities import Task
from prismcube.model.machine import Event
from prismcube.model.task_states import TaskState

FULL = "PRISMCUBE_CHAOS" in os.environ

SHORT = {
    ("consolidate", "consolidate", Event.DONE),
    ("delete-datasets", "delete-files", Event.FAILED),
    ("export-cube", "write", Event.CANCEL),
}
CHOSEN = [move for move in MOVES if FULL or (move[0], move[1].name, move[2]) in SHORT]
CASES = [("local", move) for move in CHOSEN] + [("dask", move) for move in MOVES if FULL and move[2] is Event.DONE]
"""By dask those that follow from what a cluster has told to be done: of the others it knows nothing."""


def name_of(case: tuple[str, Move]) -> str:
    engine, (process, stage, event, _) = case
    return f"{engine}-{process}-{stage.name}-{event}"


def test_number_of_kill_points() -> None:
    """A move that is added to a machine is one at which the orchestrator is killed: these numbers then change."""
    assert Counter(process for process, *_ in MOVES) == {
        "consolidate": 2 * 6 + 4 + 4,
        "delete-datasets": 2 * 6 + 3 + 2,
        "export-cube": 2 * 5 + 4 + 4,
        **dict.fromkeys(SIMPLE, 2 + 2),
    }
    assert Counter(event for _, _, event, _ in MOVES) == {Event.DONE: 22, Event.FAILED: 22, Event.CANCEL: 31}
    assert len(MOVES) * len(WHEN) == 150
    assert {(process, stage.name, event) for process, stage, event, _ in MOVES} >= SHORT


@pytest.fixture
def program(archive: Archive, url: str, tmp_path: Path, cluster: DaskCluster | None) -> Iterator[Program]:
    made = Program(archive, url, tmp_path, cluster)
    made.start()
    yield made
    made.stop()


@pytest.mark.parametrize("url", ["sqlite", "postgresql"] if FULL else ["sqlite"], indirect=True)
@pytest.mark.parametrize(("cluster", "move"), CASES, ids=map(name_of, CASES), indirect=["cluster"])
def test_killed_at(archive: Archive, program: Program, move: Move, same_cubes: Callable[..., None]) -> None:
    scene = Scene(archive, move)
    before, after = (f"{scene.moves} {when}" for when in WHEN)

    archive.order(before)
    id = scene.begin()
    program.wait_until_killed(before)
    assert archive.ledger.get(id).stage == scene.stage.name
    lost = {task.id for task in archive.tasks(id) if task.state is TaskState.RUNNING}
    assert bool(lost) == (scene.event is not Event.CANCEL)

    archive.order(after)
    program.start_again()
    program.wait_until_killed(after)
    assert archive.ledger.get(id).stage == scene.target.name
    then = archive.tasks(id)
    assert all(task.state in (TaskState.DONE, TaskState.FAILED) for task in then)
    _check_attempts(then, lost=lost, scene=scene)

    program.start_again()
    archive.wait(id)
    tasks = archive.tasks(id)
    check_tasks(archive, id, scene.stages)
    _check_attempts(tasks, lost=lost, scene=scene)
    check_goal(scene, id, same_cubes)


def _check_attempts(tasks: list[Task], *, lost: set[int], scene: Scene) -> None:
    """What was lost was done once more, and that is counted as such; nothing else was, and all has ended as it must."""
    for task in tasks:
        fails = scene.is_failing(task)
        assert task.state is (TaskState.FAILED if fails else TaskState.DONE)
        assert (task.attempt, task.orphaned, task.losses, task.failures) == (
            1 + (task.id in lost), int(task.id in lost), 0, int(fails)
        ), task  # fmt: skip
