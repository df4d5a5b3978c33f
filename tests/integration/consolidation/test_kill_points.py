"""Tasks are killed at points that the tables of the machines give: nothing is lost, nothing done twice with effect.

make test     each way through the machines, killed on at each stage at one of its points
make chaos    (PRISMCUBE_CHAOS) each stage at each of its points, on both databases and engines
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import killed_tasks
import pytest
from killed_tasks import MACHINES, points_of
from killing import (
    TAKEN_BACK_FROM,
    Way,
    check_end,
    check_points,
    check_tasks,
    check_untidy,
    stages_on,
    way_of,
    work_stages,
)
from lines import Line

from prismcube.model.machine import Level, Stage
from prismcube.model.task_states import TaskState
from server.jobs.registry import PROCESSES

FULL = "PRISMCUBE_CHAOS" in os.environ
KILLS = [
    (process, stage, point)
    for process, machine in MACHINES.items()
    for stage in work_stages(machine)
    for point in points_of(stage.task)
]
SHORT = {
    "consolidate.prepare": "commit",
    "consolidate.slab": "publish",
    "consolidate.index": "end",
    "consolidate.swap": "commit",
    "consolidate.clean": "end",
    "consolidate.rollback": "commit",
    "delete.prepare": "end",
    "delete.mark": "commit",
    "delete.files": "remove",
    "delete.remove": "commit",
    "delete.remove-rest": "commit",
    "delete.rollback": "end",
    "export.prepare": "begin",
    "export.part": "publish",
    "export.write": "publish",
    "export.clean": "remove",
    "export.rollback": "remove",
    "index": "commit files",
}
"""The point at which `make test` kills tasks of a kind: each but those of the other processes of one task."""

Kill = tuple[Stage, str]
Case = tuple[str, str, Way, tuple[Kill, ...]]
"""Engine, process, way of the job, and where on it somebody is killed."""


def short_cases() -> list[Case]:
    """A job for each way; by dask, one that is killed once."""
    found: list[Case] = []
    for process, machine in MACHINES.items():
        killed = [stage for stage in work_stages(machine) if stage.task in SHORT]
        for way in dict.fromkeys(way_of(machine, stage) for stage in killed):
            kills = [(stage, SHORT[stage.task]) for stage in killed if way_of(machine, stage) is way]
            found.append(("local", process, way, tuple(kills)))
    slab = next(stage for _, stage, _ in KILLS if stage.task == "consolidate.slab")
    return [*found, ("dask", "consolidate", Way.DONE, ((slab, "end"),))]


def full_cases() -> list[Case]:
    return [
        (engine, process, way_of(MACHINES[process], stage), ((stage, point),))
        for engine in ("local", "dask")
        for process, stage, point in KILLS
    ]


CASES = full_cases() if FULL else short_cases()


def name_of(case: Case) -> str:
    engine, process, way, kills = case
    where = f"{kills[0][0].task}-{kills[0][1]}" if len(kills) == 1 else f"{process}-{way}"
    return f"{engine}-{where}"


def test_number_of_kill_points() -> None:
    """A stage that is added to a machine is killed as well: these numbers then change."""
    assert killed_tasks.DOES.keys() == {stage.task for _, stage, _ in KILLS}
    assert Counter(process for process, _, _ in KILLS) == {
        "consolidate": 2 * 6 + 7,
        "delete-datasets": 2 * 6 + 6,
        "export-cube": 2 * 5 + 5,
        "echo": 2,
        "index": 2 + 3,
        "register": 2 + 3,
        "tidy": 2 + 1,
        "update-mapping": 2 + 1,
    }
    assert Counter(point.partition(" ")[0] for _, _, point in KILLS) == {
        "begin": 22, "publish": 4, "commit": 18, "remove": 4, "end": 22,
    }  # fmt: skip
    assert len(KILLS) == 70


def test_the_machines_of_all_processes_are_there() -> None:
    assert {id: process.machine for id, process in PROCESSES.items()} == MACHINES


def test_the_short_run_kills_tasks_of_every_kind() -> None:
    local = [kills for engine, _, _, kills in short_cases() if engine == "local"]
    assert sorted((stage.task, point) for kills in local for stage, point in kills) == sorted(SHORT.items())
    assert all(point in points_of(kind) for kind, point in SHORT.items())
    assert killed_tasks.DOES.keys() - SHORT.keys() == killed_tasks.SIMPLE.keys() - {"index"}


@pytest.mark.parametrize("url", ["sqlite", "postgresql"] if FULL else ["sqlite"], indirect=True)
@pytest.mark.parametrize(("cluster", "process", "way", "kills"), CASES, ids=map(name_of, CASES), indirect=["cluster"])
def test_killed_at(
    line: Line, process: str, way: Way, kills: tuple[Kill, ...], same_cubes: Callable[..., None]
) -> None:
    archive, machine = line.archive, MACHINES[process]
    for stage, point in kills:
        archive.order(f"{stage.task} {point}")
    blocked = archive.block_a_file() if way is Way.UNTIDY else None
    stages = [stage.name for stage in stages_on(machine, way)]
    if way is Way.CANCELLED:
        id = archive.begin(process, level=Level.ALL)
        archive.bring_to(id, TAKEN_BACK_FROM[process])
        whole = [stage.name for stage in stages_on(machine, Way.DONE)]
        stages = whole[: whole.index(TAKEN_BACK_FROM[process])] + stages
        archive.ledger.cancel(id)
    else:
        id = archive.begin(process)
    archive.wait(id)

    _check_killed(archive, [f"{stage.task} {point}" for stage, point in kills])
    losses = Counter(stage.name for stage, _ in kills)
    check_tasks(archive, id, stages)
    for stage in stages:
        tasks = [task for task in archive.tasks(id) if task.stage == stage]
        stays = blocked is not None and stage == "delete-files"
        expected = (TaskState.FAILED, 1) if stays else (TaskState.DONE, 0)
        assert {(task.state, task.failures) for task in tasks} == {expected}
        assert sum(task.losses for task in tasks) == losses[stage]
        assert [task.attempt for task in tasks] == [1 + task.losses for task in tasks]
    check_end(archive, id, way, same_cubes)
    if blocked is not None:
        check_untidy(archive, id, blocked)
    check_points(archive)


def _check_killed(archive: Any, orders: list[str]) -> None:
    """Each was come to, in this order, by a process that is gone."""
    assert archive.open_orders() == set()
    assert [order for _, order in archive.killed()] == orders
    pids = [pid for pid, _ in archive.killed()]
    assert len(set(pids)) == len(pids)
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
