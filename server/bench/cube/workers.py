"""Each engine in a process of its own, which runs a case when told to: so it has its own memory, caches and threads.

Worker(name, setup, start) ─ pipe ─ _work ─ prepare, first, run
"""

from __future__ import annotations

import ctypes
import gc
import os
import time
import traceback
from dataclasses import dataclass, replace
from importlib import import_module
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import numpy as np

from server.bench.cube.cases import Part
from server.bench.cube.engines import ENGINES, Engine, Setup
from server.bench.cube.judge import Difference, difference, together
from server.bench.memory import NOW, memory

PATIENCE = 900.0
"""Seconds for one run."""
SHORT = 10.0
"""Seconds up to which a first run is repeated for its memory, when what is kept of files is there."""
BRIEF = 1.0
"""Seconds up to which a run is repeated at once to be timed: of these, what has cooled while others ran is a half."""
MANY = 9
"""Runs that are timed one after the other, at most, while they take half as long as a brief one."""
TINY = 16
"""Pixels a side of the warm-up."""


class Unable(Exception):
    """An engine is not installed, or failed; says why."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a case."""

    seconds: float
    cpu: float
    """Seconds of the process's threads."""
    growth: int | None = None
    """Bytes by which memory grew at most, the cube included, where the system tells; of the first run, or a second."""
    difference: Difference | None = None
    """From the judge, of the first run."""


def environment(setup: Setup) -> dict[str, str]:
    """Settings of GDAL for whoever uses it: its usual advice for COGs, and nothing kept between runs."""
    told = {
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
        "GDAL_NUM_THREADS": "1",  # the threads are the engine's
        "GDAL_CACHEMAX": "512",
        "GDAL_INGESTED_BYTES_AT_OPEN": "32768",
        "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
        "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".tif",
    }
    return told | ({"CPL_VSIL_CURL_NON_CACHED": f"/vsicurl/{setup.base}"} if setup.case.source == "http" else {})


class Worker:
    """The process of an engine. Raises Unable when it is not there."""

    def __init__(self, name: str, setup: Setup, start: ForkServerContext) -> None:
        self._here, there = start.Pipe()
        self._process = start.Process(target=_work, args=(name, setup, there), daemon=True)
        self._process.start()
        there.close()
        try:
            self._answer()
        except Unable:
            self.close()
            raise

    def first(self, truth: list[Path]) -> Run:
        """Run, and compare with the judge's cubes, a file a part. Raises Unable when it fails."""
        self._here.send(truth)
        return self._run()

    def run(self) -> Run:
        """Run once more. Raises Unable when it fails."""
        self._here.send(None)
        return self._run()

    def close(self) -> None:
        self._here.close()
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _run(self) -> Run:
        found: Run = self._answer()
        return found

    def _answer(self) -> Any:
        if not self._here.poll(PATIENCE):
            raise Unable(f"took more than {PATIENCE:.0f} s")
        try:
            told = self._here.recv()
        except EOFError:
            raise Unable("its process ended") from None
        if isinstance(told, Unable):
            raise told
        return told


def _work(name: str, setup: Setup, pipe: Connection) -> None:
    os.environ.update(environment(setup))
    try:
        engine: Engine = import_module(f"server.bench.cube.engines.{ENGINES[name].module}").make(setup)
        for part in setup.case.parts:
            engine.run(_tiny(part))
        pipe.send(True)
        last = 0.0
        while True:
            truth = pipe.recv()
            found = _timed(engine, setup, warm=last < BRIEF) if truth is None else _first(engine, setup, truth)
            last = found.seconds
            pipe.send(found)
    except EOFError:
        return
    except ImportError as error:
        pipe.send(Unable(f"not installed ({error})"))
    except Exception as error:  # what peers raise is not ours to know: it is told in the table
        traceback.print_exc()
        pipe.send(Unable(f"{type(error).__name__}: {str(error)[:300]}"))


def _tiny(part: Part) -> Part:
    """A corner of all dates: what is loaded or compiled at first use, or kept of files, is there then."""
    side = min(TINY, *part.grid.shape)
    row, col = ((one - side) // 2 for one in part.grid.shape)
    return replace(part, grid=part.grid.shifted(row, col, height=side, width=side))


def _timed(engine: Engine, setup: Setup, *, warm: bool) -> Run:
    """Run; `warm`: when it has just been run. A service answers request after request, here engines take turns.

    Of very brief ones the median of several: a machine that is shared is slower or faster for longer than one takes.
    """
    engine.forget()
    gc.collect()
    if not warm:
        return _run(engine, setup)[0]
    _run(engine, setup)
    runs: list[Run] = []
    while len(runs) < MANY and sum(one.seconds for one in runs) < BRIEF / 2:
        engine.forget()
        runs.append(_run(engine, setup)[0])
    return sorted(runs, key=lambda one: one.seconds)[(len(runs) - 1) // 2]


def _first(engine: Engine, setup: Setup, truth: list[Path]) -> Run:
    run, made, growth = _watched(engine, setup)
    found = [
        difference(engine.cube(part, one), np.load(path, mmap_mode="r"))
        for part, one, path in zip(setup.case.parts, made, truth, strict=True)
    ]
    if run.seconds < SHORT and setup.case.source == "disk":  # a server counts what one run asks of it
        made.clear()
        _, _, growth = _watched(engine, setup)
    return replace(run, growth=growth, difference=together(found))


def _watched(engine: Engine, setup: Setup) -> tuple[Run, list[Any], int | None]:
    """Run, what was made, and by how much memory grew. Not for times: memory that was given back must be fetched."""
    engine.forget()
    gc.collect()
    before = _begin_memory()
    run, made = _run(engine, setup)
    return run, made, None if before is None else memory() - before


def _run(engine: Engine, setup: Setup) -> tuple[Run, list[Any]]:
    wall, cpu = time.perf_counter(), time.process_time()
    made = [engine.run(part) for part in setup.case.parts]
    return Run(seconds=time.perf_counter() - wall, cpu=time.process_time() - cpu), made


def _begin_memory() -> int | None:
    """Bytes in memory, from which on the largest is kept anew (proc(5), clear_refs); None where there is no /proc."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        return memory(NOW)
    except (OSError, AttributeError):
        return None
