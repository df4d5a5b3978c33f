"""PostgreSQL is killed at every move of a job that the orchestrator makes: just before it is committed, and just after.

Before, the move is lost, and the orchestrator makes it again when there is a server. After, nothing is made again. Both
come over each job; the orchestrator waits, and goes on.

make test     one move of two machines
make chaos    (PRISMCUBE_CHAOS) all moves
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from killing import Archive
from orchestrating import MOVES, WHEN, Move, Program, Scene, check, recorded, wait_for_kill

from prismcube.model.machine import Event
from server.bench.jobs.own_postgres import PostgresServer

FULL = "PRISMCUBE_CHAOS" in os.environ
SHORT = {("consolidate", "swap", Event.DONE), ("delete-datasets", "delete-files", Event.FAILED)}
CHOSEN = [move for move in MOVES if FULL or (move[0], move[1].name, move[2]) in SHORT]


def name_of(move: Move) -> str:
    process, stage, event, _ = move
    return f"{process}-{stage.name}-{event}"


def test_number_of_kill_points() -> None:
    """The moves are counted in test_orchestrator_kill_points.py."""
    assert len(MOVES) * len(WHEN) == 150
    assert len(CHOSEN) == (75 if FULL else len(SHORT))


@pytest.fixture(scope="module")
def server(postgresql: Any) -> Iterator[PostgresServer]:
    """Of these tests alone; `postgresql` tells when there can be none."""
    made = PostgresServer()
    yield made
    made.stop()


@pytest.fixture
def url(server: PostgresServer) -> str:
    return server.database()


@pytest.mark.parametrize("move", CHOSEN, ids=name_of)
def test_killed_at(
    server: PostgresServer, archive: Archive, url: str, tmp_path: Path, move: Move, same_cubes: Callable[..., None]
) -> None:
    scene = Scene(archive, move)
    orders = [f"{scene.moves} {when}" for when in WHEN]
    for order in orders:
        archive.order(order, server.pid_file)
    program = Program(archive, url, tmp_path, None)
    program.start()
    try:
        id = scene.begin()
        wait_for_kill(archive, 1)
        server.start_again(wait=False)  # the orchestrator may be the first who gets an answer, and kill it
        wait_for_kill(archive, 2)
        server.start_again()
        check(scene, id, same_cubes, recorded(scene, id))
        assert [order for _, order in archive.killed()] == orders
        assert len({pid for pid, _ in archive.killed()}) == 2
        assert program.is_running
    finally:
        program.stop()
