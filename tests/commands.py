"""`prismcube` as one types it, without the seconds that a program takes to load: commands run in forks of one process.

That process is a program of its own (`python tests/commands.py`), which nothing of the tests has touched; a fork has
its own environment, folder and files, and ends as the command does. How a command starts, and what it loads, is tested
on the real one.

    run ── order, a line of JSON ── the process that has loaded all: fork ── standard streams ── app() ── exit code
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NoReturn

ROOT = Path(__file__).resolve().parents[1]
LOADED = ("server.cli", "server.operations", "server.jobs.run", "server.asgi", "server.run")
LONG = 300
"""Seconds after which a command hangs."""


class _Loaded:
    """The process that commands are forked from; of one process of the tests."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, order: Mapping[str, Any]) -> int:
        """The exit code; a negative one names the signal. Raises TimeoutExpired."""
        with self._lock:
            if self._process is None:
                command = [sys.executable, str(Path(__file__).resolve())]
                environment = {**os.environ, "PYTHONPATH": str(ROOT)}
                self._process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=ROOT
                )
                atexit.register(self._end)
            told, pid = self._process.stdin, 0
            assert told is not None
            told.write(json.dumps(order).encode() + b"\n")
            told.flush()
            try:
                pid = self._number(self._process.stdout)
                return self._number(self._process.stdout)
            except TimeoutError as error:
                if pid:
                    os.kill(pid, signal.SIGKILL)
                    self._number(self._process.stdout)
                raise subprocess.TimeoutExpired(order["words"], LONG) from error

    def _number(self, answers: IO[bytes] | None) -> int:
        assert answers is not None
        if not select.select([answers], [], [], LONG)[0]:
            raise TimeoutError
        return int(os.read(answers.fileno(), 16))

    def _end(self) -> None:
        assert self._process is not None
        self._process.communicate()  # its orders end, and so does it


_loaded = _Loaded()


def run(
    *words: object, cwd: Path = ROOT, env: Mapping[str, str] | None = None, given: str | bytes = ""
) -> subprocess.CompletedProcess[str]:
    """What `prismcube WORDS` answers; `env` in place of our environment, `given` on its standard input."""
    with tempfile.TemporaryDirectory(prefix="prismcube-command-") as folder:
        streams = [Path(folder) / name for name in ("stdin", "stdout", "stderr")]
        streams[0].write_bytes(given.encode() if isinstance(given, str) else given)
        order = {
            "words": [str(word) for word in words],
            "cwd": str(cwd),
            "env": dict(os.environ if env is None else env),
            "streams": [str(one) for one in streams],
        }
        code = _loaded.run(order)
        return subprocess.CompletedProcess(order["words"], code, streams[1].read_text(), streams[2].read_text())


def _serve(orders: IO[bytes], answers: IO[bytes]) -> None:
    for line in orders:
        pid = os.fork()
        if not pid:
            orders.close()
            answers.close()
            _obey(json.loads(line))
        answers.write(f"{pid:15}\n".encode())
        answers.flush()
        _, status = os.waitpid(pid, 0)
        answers.write(f"{os.waitstatus_to_exitcode(status):15}\n".encode())
        answers.flush()


def _obey(order: Mapping[str, Any]) -> NoReturn:
    flags = (os.O_RDONLY, os.O_WRONLY | os.O_CREAT, os.O_WRONLY | os.O_CREAT)
    for number, (name, flag) in enumerate(zip(order["streams"], flags, strict=True)):
        os.dup2(os.open(name, flag, 0o600), number)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    random.seed()
    sys.argv = ["prismcube", *order["words"]]
    code: object = 1
    try:
        import_module("server.cli").app()
        code = 0
    except SystemExit as error:
        code = error.code or 0
    except BaseException:  # as Python itself would end: told on standard error, and exit code 1
        sys.excepthook(*sys.exc_info())
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    sys.path.remove(str(Path(__file__).resolve().parent))
    orders, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    for name in LOADED:
        import_module(name)
    gc.freeze()
    _serve(orders, answers)
