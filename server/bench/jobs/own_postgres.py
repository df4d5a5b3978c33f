"""A PostgreSQL server that may be killed: nobody else's, in a temporary folder, as it works when it is installed.

What it has told to be committed is on the disk. It listens on a socket in its folder only.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import psutil
import psycopg

from prismcube.catalogue import migrate
from server.bench.waiting import PATIENCE, NotMeasured, wait_until

INSTALLED = Path("/usr/lib/postgresql")
"""Where Debian and Ubuntu have the programs of a server, by version; others have them on the path."""


def programs() -> Path | None:
    """The folder of the newest server's programs; None without one."""
    folders = [path.parent for path in INSTALLED.glob("[0-9]*/bin/initdb")]
    found = shutil.which("initdb")
    return max(folders, key=_version, default=Path(found).parent if found else None)


def _version(folder: Path) -> list[int]:
    """Of the server whose programs are there: 15, or 9.6."""
    return [int(number) for number in re.findall("[0-9]+", folder.parent.name)]


class PostgresServer:
    """Started when it is made; `stop` removes all of it. Of one thread.

    Raises NotMeasured when there is none, or it does not start.
    """

    def __init__(self) -> None:
        folder = programs()
        if folder is None:
            raise NotMeasured("there is no PostgreSQL server: install one whose initdb is found")
        self._home = home = Path(tempfile.mkdtemp(prefix="prismcube-killed-"))
        # The server refuses to run as root.
        self._owner: dict[str, Any] = {"user": "postgres", "cwd": home} if os.geteuid() == 0 else {"cwd": home}
        try:
            self._make(folder)
        except BaseException:  # whatever it is goes on, and nothing is left behind
            shutil.rmtree(home, ignore_errors=True)
            raise

    def _make(self, folder: Path) -> None:
        home = self._home
        if os.geteuid() == 0:
            try:
                shutil.chown(home, "postgres")
            except LookupError as error:
                raise NotMeasured("PostgreSQL does not run as root, and there is no user postgres") from error
        data = str(home / "data")
        initdb = [str(folder / "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
        initdb.append("--locale=C.UTF-8")
        subprocess.run(initdb, check=True, capture_output=True, **self._owner)  # noqa: S603  the server's own program
        self._command = [str(folder / "postgres"), "-D", data, "-k", str(home), "-c", "listen_addresses="]
        self._made = 0
        self._running = self._start()

    @property
    def pid(self) -> int:
        """Of the one that was started last."""
        return self._running.pid

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

    def kill(self) -> None:
        """By SIGKILL, as a machine's end does it."""
        self._running.kill()

    def start_again(self, *, wait: bool = True) -> None:
        """When it has been killed, by whomever. Raises NotMeasured when it has not.

        Not to `wait` until it answers is for those who have it killed by the first who gets an answer.
        """
        family = [psutil.Process(self._running.pid), *psutil.Process(self._running.pid).children(recursive=True)]
        if self._running.wait(PATIENCE) != -signal.SIGKILL:
            raise NotMeasured("PostgreSQL ended by itself")
        psutil.wait_procs(family, timeout=PATIENCE)
        self.pid_file.unlink(missing_ok=True)
        self._running = self._start() if wait else self._popen()

    def stop(self) -> None:
        self._running.send_signal(signal.SIGINT)  # a fast shutdown: it does not wait for connections left open
        self._running.wait(PATIENCE)
        shutil.rmtree(self._home)

    def _start(self) -> subprocess.Popen[bytes]:
        running = self._popen()
        try:
            wait_until(lambda: self._answers() or running.poll() is not None, "PostgreSQL did not start", every=0.05)
            if running.poll() is not None:
                raise NotMeasured(f"PostgreSQL ended at its start, with {running.returncode}")
        except BaseException:  # whatever it is goes on, and no server is left running
            running.kill()
            running.wait()
            raise
        return running

    def _popen(self) -> subprocess.Popen[bytes]:
        running: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603  as above
            self._command, stderr=subprocess.DEVNULL, **self._owner
        )
        return running

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._url("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True

    def _create(self, statement: str) -> None:
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self._home}"
