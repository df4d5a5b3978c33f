"""Processes whose tasks do what a test asks; imported by the test and by the processes that execute them."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from toy_machines import MANY

from prismcube.catalogue.engine import create_engine
from prismcube.errors import InvalidInput, TemporaryFailure
from prismcube.jobs.attempt import Body
from prismcube.jobs.definitions import Definition
from prismcube.jobs.ledger import Ledger
from prismcube.model.machine import simple_machine
from prismcube.model.work import NewTask, Work

DEFINITIONS = {
    "many": Definition(machine=MANY),
    "toy": Definition(machine=simple_machine("toy", meaning="It plays."), attempts=2),
}


def prepare(work: Work) -> Mapping[str, Any]:
    """Makes `number` tasks that sleep for `seconds` each and write a line to `file`."""
    number = int(work.inputs["number"])
    return {"made": work.hand_over("work", (NewTask(name=f"t{n}", payload={"n": n}) for n in range(number)))}


def note(work: Work) -> Mapping[str, Any]:
    """Writes begin and end of an attempt to a file, each in one write, and its effect once: a file of its own.

    With `waits` it does not end before there is a file `go`.
    """
    folder = Path(work.inputs["folder"])
    _line(folder, f"begin {work.task} {os.getpid()}")
    time.sleep(float(work.inputs.get("seconds", 0)))
    while work.inputs.get("waits") and not (folder / "go").exists():
        time.sleep(0.05)
    aside = work.scratch / "effect"
    aside.write_text(str(work.payload["n"] ** 2))
    aside.replace(folder / f"effect-{work.payload['n']}")
    _line(folder, f"end {work.task} {os.getpid()}")
    return {"square": work.payload["n"] ** 2}


def _line(folder: Path, text: str) -> None:
    file = os.open(folder / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, f"{text}\n".encode())
    finally:
        os.close(file)


def play(work: Work) -> Mapping[str, Any]:
    """Does what `do` says."""
    match work.inputs["do"]:
        case "echo":
            return {"outputs": {"echo": work.inputs.get("text")}}
        case "sleep":
            begun = time.monotonic()
            while time.monotonic() - begun < float(work.inputs["seconds"]):
                time.sleep(0.05)
                work.progress((time.monotonic() - begun) / float(work.inputs["seconds"]), "sleeping")
            return {}
        case "deaf":  # never asks whether it is wanted
            Path(work.inputs["file"]).write_text(str(os.getpid()))
            time.sleep(float(work.inputs["seconds"]))
            Path(work.inputs["file"]).write_text("survived")
            return {}
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "refuse":
            raise InvalidInput("do", "is refused")
        case "stumble":
            if work.attempt == 1:
                raise TemporaryFailure("stumbled")
            return {}
        case "write":  # where a file may only be so long, which is told as a full disk is
            soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(work.inputs["limit"]), hard))
            aside = work.scratch / "large"
            try:
                with aside.open("wb") as file:
                    file.write(bytes(int(work.inputs["bytes"])))
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            aside.replace(work.inputs["file"])
        case "break":
            raise RuntimeError("unforeseen")
    return {}


BODIES: Mapping[str, Body] = {"many.prepare": prepare, "many.work": note, "toy": play}


def runtime(url: str) -> tuple[Ledger, Mapping[str, Body]]:
    """What a process that executes tasks has."""
    engine: Engine = create_engine(url)
    return Ledger(engine, DEFINITIONS), BODIES
