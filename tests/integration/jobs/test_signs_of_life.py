"""Those who lead jobs: one that hangs is started again, one that has died is not waited for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ledger_toys
import psutil
import pytest
from running import LONG, wait_for

from prismcube.catalogue import Catalogue
from prismcube.jobs import identity, watched
from prismcube.jobs.claims import Claims
from prismcube.jobs.leader import NotLeader
from prismcube.jobs.ledger import Ledger
from prismcube.jobs.watched import Watched

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
from prismcube.jobs.watched import give_signs
give = give_signs(int(sys.argv[1]))
while True:
    give()
    time.sleep(0.02)
"""
SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def sleeper() -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts processes that do nothing."""
    made: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        made.append(subprocess.Popen(SLEEPER))
        return made[-1]

    yield start
    for one in made:
        one.kill()
        one.wait()


def identity_of(process: subprocess.Popen[bytes]) -> str:
    return f"{identity._machine()}/{process.pid}/{identity._start(process.pid)}"


def test_a_program_that_hangs_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "SIGN_SECONDS", 0.1)
    monkeypatch.setattr(watched, "SILENT_SIGNS", 30)
    monkeypatch.setattr(watched, "FIRST_PAUSE", 0.0)
    one = Watched([sys.executable, "-c", PROGRAM], what="the program", signs=True)

    def look() -> int | None:
        one.look()
        return one.pid

    try:
        first = wait_for(look)
        assert one._signs is not None
        wait_for(lambda: look() and one._signs is not None and one._signs._missed == 0)
        for _ in range(50):  # more looks than a silent one survives
            time.sleep(0.1)
            assert look() == first
        os.kill(first, signal.SIGSTOP)
        second = wait_for(lambda: (pid := look()) != first and pid)
        assert not psutil.pid_exists(first)
        wait_for(lambda: look() and one._signs is not None and one._signs._missed == 0)
        assert one.pid == second
    finally:
        one.stop()
    assert one.pid is None


def test_one_that_never_gave_a_sign_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "SIGN_SECONDS", 0.0)
    monkeypatch.setattr(watched, "SILENT_SIGNS", 2)
    one = Watched(SLEEPER, what="the program", signs=True)
    try:
        one.look()
        first = one.pid
        for _ in range(10):
            one.look()
        assert one.pid == first
    finally:
        one.stop()


def test_identities(sleeper: Callable[[], subprocess.Popen[bytes]]) -> None:
    mine = identity.identity()
    assert mine.split("/")[2] == str(os.getpid())
    assert not identity.has_ended(mine)
    machine, number, start = mine.rsplit("/", 2)
    assert identity.has_ended(f"{machine}/{number}/{int(start) - 1}")  # its number was another's before
    assert not identity.has_ended(f"other-{machine}/{number}/{int(start) - 1}")
    other = sleeper()
    told = identity_of(other)
    assert not identity.has_ended(told)
    other.kill()
    wait_for(lambda: identity.has_ended(told))  # also before its parent has asked
    other.wait()
    assert identity.has_ended(told)
    for nonsense in ("", "x", "///", f"{machine}/x/1", f"{machine}//"):
        assert not identity.has_ended(nonsense)


def test_nothing_is_told_where_the_system_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = identity.identity()
    monkeypatch.setattr(identity, "PROC", tmp_path)
    assert identity.identity() == ""
    assert not identity.has_ended(mine)


def test_a_leader_that_has_died_is_not_waited_for(
    catalogue: Catalogue, sleeper: Callable[[], subprocess.Popen[bytes]]
) -> None:
    ledger = Ledger(catalogue.engine, ledger_toys.DEFINITIONS)
    first, second = Claims(ledger, "first"), Claims(ledger, "second")
    process = sleeper()
    about: dict[str, Any] = {"process": identity_of(process)}
    assert first.lead(about, seconds=LONG)
    assert not second.lead({"process": identity.identity()})
    process.kill()
    process.wait()
    assert second.lead({"process": identity.identity()}, seconds=LONG)
    with pytest.raises(NotLeader):
        first.take_over()
    assert not first.lead(about)
