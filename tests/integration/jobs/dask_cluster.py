"""A cluster of dask on this machine, whose processes a test may kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[2]
HERE_ONLY = ("--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0", "--no-dashboard")


class DaskCluster:
    """A scheduler and some workers of one thread each, in processes of their own; started by `start`."""

    def __init__(self, folder: Path, port: int, *, workers: int = 2, code: Path = FOLDER) -> None:
        self.address = f"tcp://127.0.0.1:{port}"
        self._folder = folder
        self.port = port
        self._number = workers
        self.path = os.pathsep.join([str(ROOT), str(code)])
        """Where its processes find our code, and that of tests."""
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        self.start_scheduler()
        while len(self.workers) < self._number:
            self.start_worker()

    def start_scheduler(self) -> None:
        self.scheduler = self._run("scheduler", "--port", str(self.port), *HERE_ONLY)

    def start_worker(self, *options: str) -> subprocess.Popen[bytes]:
        name = f"worker-{len(self.workers)}"
        where = ["--local-directory", str(self._folder / name), *HERE_ONLY]
        worker = self._run("worker", self.address, "--no-nanny", "--nthreads", "1", "--name", name, *where, *options)
        self.workers.append(worker)
        return worker

    def worker_of(self, child: int) -> subprocess.Popen[bytes]:
        """The worker whose child this process is."""
        parent = psutil.Process(child).ppid()
        return next(worker for worker in self.workers if worker.pid == parent)

    def stop(self) -> None:
        for process in (*self.workers, self.scheduler):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait(120)
        self.workers.clear()

    def _run(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", *arguments],
                cwd=self._folder,
                env={**os.environ, "PYTHONPATH": self.path, "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "60s"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )


def end(process: subprocess.Popen[bytes]) -> None:
    """In an orderly way, as Kubernetes does: it lived until now, and goes by itself when it is told to."""
    assert process.poll() is None
    process.terminate()
    assert process.wait(120) == 0


def kill(process: subprocess.Popen[bytes]) -> None:
    """By SIGKILL; it lived until now, and it is this which ended it."""
    assert process.poll() is None
    process.kill()
    assert process.wait(120) == -signal.SIGKILL
