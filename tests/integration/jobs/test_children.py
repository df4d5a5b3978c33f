"""Processes that execute orders are killed at every instant: nothing waits for them, nobody else is disturbed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import child_toys
import psutil
import pytest
from running import LONG, is_gone, wait_for

from prismcube.jobs.engines import child, children
from prismcube.jobs.engines.local import LocalEngine
from prismcube.jobs.entities import End, Order, Outcome

LARGE = "x" * 3_000_000
"""More than a pipe holds."""
KILLED = "its process was ended by SIGKILL, perhaps for want of memory"

Make = Callable[[int], LocalEngine]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes an engine of so many processes."""
    engines: list[LocalEngine] = []

    def start(processes: int) -> LocalEngine:
        engine = LocalEngine(partial(child_toys.runtime, tmp_path), processes=processes, scratch=tmp_path / "scratch")
        engines.append(engine)
        engine.start(lambda: None)
        return engine

    yield start
    for engine in engines:
        engine.close()
    assert not [*(tmp_path / "scratch").iterdir()]
    assert not [one for one in psutil.Process().children() if "spawn_main" in " ".join(one.cmdline())]


def order(task: int, do: str, *, attempt: int = 1, text: str = "") -> Order:
    """An attempt of a toy."""
    payload = {"do": do, "text": text}
    return Order(
        task=task, attempt=attempt, owner="me", job="job", kind="toy", stage="work", name="", payload=payload, inputs={}
    )


def outcomes(engine: LocalEngine, *orders: Order) -> dict[int, Outcome]:
    """Of orders that are given at once, by task; nothing is left."""
    for one in orders:
        engine.submit(one)
    found = next_ones(engine, len(orders))
    assert not engine.attempts()
    return {one.task: one for one in found}


def next_ones(engine: LocalEngine, number: int) -> list[Outcome]:
    """That end, in the order in which they do."""
    found: list[Outcome] = []
    while len(found) < number:
        found += wait_for(engine.finished)
    assert len(found) == number
    return found


def outcomes_beside(engine: LocalEngine, one: Order) -> Outcome:
    """Of an order, while others are under way."""
    engine.submit(one)
    [came] = next_ones(engine, 1)
    return came


def is_done(outcome: Outcome, text: str = "") -> bool:
    return outcome.end is End.DONE and outcome.result["text"] == text


def test_killed_at_any_instant(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its order is lost unless all of its outcome was told, and the next process does what waits."""
    monkeypatch.setattr(child, "END_SECONDS", 0.2)
    engine = make(1)
    try:
        came = outcomes(
            engine,
            order(1, "taken"),
            order(2, "half told", text=LARGE),
            order(3, "hang up"),
            order(4, "leave others"),
            order(5, "end quietly"),
            order(6, "told"),
        )
    finally:
        for pid in (tmp_path / "others").read_text().split():
            os.kill(int(pid), signal.SIGKILL)
    assert {came[task].end for task in range(1, 6)} == {End.LOST}
    assert {came[task].message for task in range(1, 5)} == {KILLED}
    assert came[5].message == "its process ended with the code 0"
    assert is_done(came[6])
    os.waitid(os.P_PID, came[6].result["process"], os.WEXITED | os.WNOWAIT)
    came = outcomes(engine, order(7, "tell what can't be told"), order(8, "work", text=LARGE))  # of one that was idle
    assert came[7].end is End.FAILED
    assert came[7].message.startswith("its result can't be told: ")
    assert is_done(came[8], LARGE)
    assert len([*tmp_path.glob("process-*")]) == 7  # none is replaced without need
    assert not [*tmp_path.glob("scratch/*/*")]


def test_it_is_the_parent_that_ends_it(make: Make) -> None:
    """Who tells all processes of a service to end takes no order away: this would count as a loss."""
    assert is_done(outcomes(make(1), order(1, "be told to end", text="done"))[1], "done")


def test_others_go_on_while_one_is_killed(make: Make, tmp_path: Path) -> None:
    engine = make(2)
    engine.submit(order(1, "sleep"))
    wait_for((tmp_path / "asleep-1").exists)
    for n in range(2, 5):
        engine.submit(order(n, "taken" if n == 3 else "work"))
    assert [(one.task, one.end) for one in next_ones(engine, 3)] == [(2, End.DONE), (3, End.LOST), (4, End.DONE)]
    engine.submit(order(5, "sleep"))
    wait_for((tmp_path / "asleep-5").exists)
    engine.submit(order(6, "work"))
    engine.cancel(6, 1)  # which waits, and for no process to find that nobody wants it
    assert [(one.task, one.end) for one in engine.finished()] == [(6, End.CANCELLED)]
    engine.cancel(1, 2)  # which nobody has given
    engine.cancel(1, 1)
    assert [(one.task, one.end) for one in next_ones(engine, 1)] == [(1, End.CANCELLED)]
    assert engine.attempts() == {(5, 1)}
    assert not [*tmp_path.glob("scratch/*/1-*")]


def test_one_that_gives_no_sign_of_life_is_ended(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that works for longer goes on, for it gives some."""
    monkeypatch.setattr(child, "BEAT_SECONDS", 0.2)  # of this process, which listens; its children wait for 5 s
    monkeypatch.setattr(child, "SILENT_BEATS", 60)
    engine = make(2)
    for task in (1, 2):
        engine.submit(order(task, "sleep"))
        wait_for((tmp_path / f"asleep-{task}").exists)
    stopped, other = (int(path.name.partition("-")[2]) for path in tmp_path.glob("process-*"))
    os.kill(stopped, signal.SIGSTOP)
    [came] = next_ones(engine, 1)
    assert (came.end, came.message) == (End.LOST, "its process gave no sign of life for 12 s, and was ended")
    assert is_gone(stopped)
    assert not is_gone(other)
    assert len(engine.attempts()) == 1
    assert is_done(outcomes_beside(engine, order(3, "work")))


def test_signs_of_life_are_given_while_it_works_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "BEAT_SECONDS", 0.01)
    mine, theirs = child.SPAWN.Pipe()
    beats = child.Beats(theirs)
    for n in range(20):
        beats.begin()
        if n % 2:
            assert mine.poll(LONG)
        beats.end_with(b"end")
        said = []
        while not said or said[-1] != b"end":
            said.append(mine.recv_bytes())
        assert set(said[:-1]) <= {child.BEAT}
        assert n % 2 == 0 or len(said) > 1
    assert not mine.poll(0.1)


def test_none_can_be_started(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders are handed back at no cost; once there is room again, they are done."""

    def full(*_: Any) -> None:
        raise BlockingIOError("Resource temporarily unavailable")

    monkeypatch.setattr(children, "Child", full)
    engine = make(1)
    came = outcomes(engine, order(1, "work"))[1]
    assert came.end is End.DISTURBED
    assert came.message == "can't begin: BlockingIOError: Resource temporarily unavailable"
    monkeypatch.undo()
    (tmp_path / "no-more").touch()
    assert outcomes(engine, order(2, "work"))[2].end is End.DISTURBED  # it had been tried before
    came = outcomes(engine, order(3, "work"))[3]
    assert (came.end, came.message) == (End.DISTURBED, "can't begin: its process ended with the code 7")
    (tmp_path / "no-more").unlink()
    wait_for(lambda: is_done(outcomes(engine, order(4, "work"))[4]))


def test_an_attempt_that_is_given_twice_is_executed_once(tmp_path: Path) -> None:
    pool = children.Children(partial(child_toys.runtime, tmp_path), processes=2, scratch=tmp_path / "scratch")
    first, second = pool.begin(order(1, "work")), pool.begin(order(1, "work"))
    assert first is second
    assert pool.running == 1
    pool.kill(1, 1)
    assert first.result(LONG).end is End.CANCELLED
    assert pool.running == 0
