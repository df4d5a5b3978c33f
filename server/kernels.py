"""Compiled kernels of the pixel engine: kept in a folder, compiled once, there before anybody waits for them.

    master   use(place) ── is_complete? ── load(), which all workers inherit
    worker   Kernels.begin ── a thread: complete(place) by two child processes, unless that is done; then load()

Until a worker has its kernels GDAL reads all files (docs/adr/0007-kernels-are-compiled-beside.md).
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

import llvmlite.binding

from config.settings import Settings

LOG = logging.getLogger("prismcube.server")

FOLDER = "NUMBA_CACHE_DIR"
"""numba's own environment variable: where it keeps what it has compiled."""

LOOK_SECONDS = 0.1
"""How often one who waits looks whether he is still to wait."""

LOCK = "lock"


class NotCompiled(Exception):
    """A process that compiles has failed; its output says why."""


def place_of(settings: Settings) -> Path:
    """The folder of kernels: the one that the environment names, else one in the home folder."""
    return Path(os.environ.get(FOLDER) or settings.home.absolute() / "kernels")


def use(place: Path) -> None:
    """Have numba look for kernels there, in this process and its children."""
    os.environ[FOLDER] = str(place)
    if "numba" in sys.modules:
        from numba.core import config

        config.CACHE_DIR = str(place)  # type: ignore[attr-defined]  # which are made from the environment


def is_complete(place: Path) -> bool:
    """True when all kernels of this code have been compiled there, for this processor."""
    machine, code = _edition()
    try:
        return (place / machine).read_text() == code
    except OSError:
        return False


def load_if_complete(place: Path) -> bool:
    """Have all kernels in this process if that takes no compiler; True when they are there."""
    use(place)
    if not is_complete(place):
        return False
    from prismcube.cube import warming

    try:
        warming.load()
    except Exception as error:  # of any kind: numba reads pickles, which may be damaged
        LOG.warning("kernels in %s can't be read (%r): they are compiled anew", place, error)
        clear(place)
        return False
    return True


def complete(place: Path, stop: threading.Event) -> None:
    """Have all kernels compiled there, by processes of their own; another one that is about it is waited for.

    Gives up when `stop` is set. Raises OSError, NotCompiled.
    """
    from prismcube.cube import warming

    place.mkdir(parents=True, exist_ok=True)
    with _held(place / LOCK, stop):
        if stop.is_set() or is_complete(place):
            return
        started = time.monotonic()
        _compile(warming.GROUPS, place, stop)
        if stop.is_set():
            return
        machine, code = _edition()
        new = place / f"{machine}.new"
        new.write_text(code)
        new.replace(place / machine)
        LOG.info("kernels are compiled, after %.0f s: %s", time.monotonic() - started, place)


def clear(place: Path) -> None:
    """Remove all kernels there; numba's own folders are all the folders there are."""
    with suppress(OSError):
        for one in place.iterdir():
            if one.is_dir():
                shutil.rmtree(one, ignore_errors=True)
            elif one.name != LOCK:
                one.unlink(missing_ok=True)


def _compile(groups: Sequence[Sequence[str]], place: Path, stop: threading.Event) -> None:
    environment = {**os.environ, FOLDER: str(place)}
    children = [
        subprocess.Popen(  # noqa: S603  our own program
            [sys.executable, "-m", "prismcube.cube.warming", *group],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for group in groups
    ]
    try:
        for child in children:
            while child.poll() is None and not stop.wait(LOOK_SECONDS):
                pass
            if child.poll():
                told = child.stderr.read() if child.stderr else ""
                raise NotCompiled((told.strip().splitlines() or [f"it ended with {child.returncode}"])[-1])
    finally:
        for child in children:
            if child.poll() is None:
                child.kill()
            child.communicate()


@contextmanager
def _held(path: Path, stop: threading.Event) -> Iterator[None]:
    """The lock on a file, once others have let it go; without it when `stop` is set before."""
    with path.open("a") as file:
        while not stop.is_set():
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                stop.wait(LOOK_SECONDS)
        yield


def _edition() -> tuple[str, str]:
    """What compiled kernels depend on: (name of machine and program, of the code)."""
    root = Path(__file__).resolve().parents[1] / "prismcube"
    cpu = llvmlite.binding.get_host_cpu_name(), llvmlite.binding.get_host_cpu_features().flatten()
    machine = "\0".join([*cpu, platform.python_version(), str(root)])
    code = hashlib.sha256("\0".join(map(version, ("numba", "llvmlite", "numpy"))).encode())
    sources = ("cube/kernels.py", "cube/tables.py", "cube/warming.py", "tiff/kernels.py", "tiff/write_kernels.py")
    for path in sources:
        code.update((root / path).read_bytes())
    return hashlib.sha256(machine.encode()).hexdigest()[:16], code.hexdigest()


class Kernels:
    """The kernels of a worker."""

    def __init__(self, places: Sequence[Path], *, wanted: bool = True) -> None:
        """`places`: folders to keep them in; the next one when there is no room, or no right to write.

        `wanted` False: GDAL reads everything.
        """
        self._places = places
        self._stop = threading.Event()
        self._is_done = threading.Event()
        self._thread = threading.Thread(target=self._have, name="kernels", daemon=True)
        if not wanted or self.are_there():
            self._is_done.set()

    @staticmethod
    def are_there() -> bool:
        """True when no request needs a compiler any more."""
        from prismcube.cube import warming

        return warming.is_loaded()

    @property
    def is_settled(self) -> bool:
        """True when they are there, or won't be: how files are read does not change any more."""
        return self._is_done.is_set()

    def begin(self) -> None:
        """Get them, beside other work, unless they are there."""
        if not self.is_settled:
            self._thread.start()

    def end(self) -> None:
        """Stop getting them."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _have(self) -> None:
        from prismcube.cube import warming

        for place in self._places:
            use(place)
            for _ in range(2):  # again when what is kept is damaged
                try:
                    complete(place, self._stop)
                    if self._stop.is_set():
                        return
                    warming.load()
                except (OSError, NotCompiled) as error:
                    LOG.warning("kernels can't be kept in %s: %s", place, error)
                    break
                except Exception as error:  # of any kind: numba reads pickles
                    LOG.warning("kernels in %s can't be read (%r): they are compiled anew", place, error)
                    clear(place)
                else:
                    self._is_done.set()
                    return
        LOG.error("there are no compiled kernels: GDAL reads all files, slowly")
        self._is_done.set()
