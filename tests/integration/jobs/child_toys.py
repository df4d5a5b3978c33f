"""A runtime whose orders say at which instant their process is to be killed; imported by the processes themselves."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from prismcube.jobs.attempt import Body
from prismcube.jobs.engines import child
from prismcube.jobs.entities import End, Order, Outcome


def runtime(folder: Path) -> tuple[Any, Mapping[str, Body]]:
    """Notes the process that is made; there is no ledger, for orders are carried out here."""
    if (folder / "no-more").exists():
        os._exit(7)
    (folder / f"process-{os.getpid()}").touch()
    child._work_on = partial(work_on, folder)
    return None, {}


def work_on(folder: Path, order: Order, runtime: child.Runtime, scratch: Path) -> Outcome:
    mine = child.folder_of(scratch, order)
    mine.mkdir()
    match order.payload["do"]:
        case "taken":  # and nothing else: it has not even begun
            die()
        case "half told":
            when_it_tells(0.5)
        case "told":
            when_it_tells(1)
        case "end quietly":
            os._exit(0)
        case "hang up":
            os.closerange(3, 1024)
            time.sleep(600)
        case "leave others":  # who would keep the pipe open
            forked = os.fork() or time.sleep(600)
            other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], close_fds=False)
            (folder / "others").write_text(f"{forked} {other.pid}")
            die()
        case "be told to end":  # as by a terminal or systemd, which tell all processes of a service
            for number in (signal.SIGINT, signal.SIGTERM):
                os.kill(os.getpid(), number)
        case "sleep":
            (folder / f"asleep-{order.task}").touch()
            time.sleep(600)
    mine.rmdir()
    result: dict[str, Any] = {"text": order.payload["text"], "process": os.getpid()}
    if order.payload["do"] == "tell what can't be told":
        result["told"] = lambda: None
    return Outcome(task=order.task, attempt=order.attempt, end=End.DONE, result=result)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def when_it_tells(share: float) -> None:
    """Kill the process as soon as it has sent so much of its next message."""

    def send(pipe: Connection, message: bytes) -> None:
        whole = struct.pack("!i", len(message)) + message
        os.write(pipe.fileno(), whole[: int(share * len(whole))])
        die()

    Connection._send_bytes = send  # type: ignore[attr-defined]  # of this process alone
