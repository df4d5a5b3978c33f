"""A PostgreSQL server of a test alone, which may be killed.

It works as it is installed: what it has told to be committed is on the disk.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import psycopg

from prismcube.catalogue import migrate

LONG = 600
"""Seconds after which a test that waits has failed: a bound for hanging, not a measure."""


class PostgresServer:
    """Started when it is made; `stop` removes all of it."""

    def __init__(self) -> None:
        programs = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
        folder = max(programs, default=Path(shutil.which("initdb") or "").parent)
        self._home = home = Path(tempfile.mkdtemp(prefix="prismcube-killed-"))
        self._owner: dict[str, Any] = {"user": "postgres", "cwd": home} if os.geteuid() == 0 else {"cwd": home}
        if self._owner.get("user"):
            shutil.chown(home, "postgres")
        initdb = [folder / "initdb", "-D", home / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run([*initdb, "--locale=C.UTF-8"], check=True, capture_output=True, **self._owner)
        self._command = [folder / "postgres", "-D", home / "data", "-k", home, "-c", "listen_addresses="]
        self._made = 0
        self._running = self._start()

    @property
    def pid_file(self) -> Path:
        """Its first line is the server's process."""
        return self._home / "data" / "postmaster.pid"

    def database(self) -> str:
        """The URL of a new one, an empty catalogue."""
        self._made += 1
        if self._made == 1:
            self._create("CREATE DATABASE model")
            migrate(self._url("model"))
        self._create(f"CREATE DATABASE d{self._made} TEMPLATE model")
        return self._url(f"d{self._made}")

    def start_again(self) -> None:
        """After its end by SIGKILL, which is waited for."""
        server = self._running
        family = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
        assert server.wait(LONG) == -signal.SIGKILL
        psutil.wait_procs(family, timeout=LONG)
        self.pid_file.unlink(missing_ok=True)
        self._running = self._start()

    def kill(self) -> None:
        self._running.kill()

    def stop(self) -> None:
        self._running.send_signal(signal.SIGINT)
        self._running.wait(LONG)
        shutil.rmtree(self._home)

    def _start(self) -> subprocess.Popen[bytes]:
        running = subprocess.Popen(self._command, stderr=subprocess.DEVNULL, **self._owner)
        deadline = time.monotonic() + LONG
        while True:
            try:
                psycopg.connect(self._url("postgres")).close()
                return running
            except psycopg.OperationalError:
                assert running.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def _create(self, statement: str) -> None:
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def _url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self._home}"
