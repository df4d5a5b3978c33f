"""What `prismcube run-plan` does: a plan from a file or a server, its cube into a file.

Loaded late by the verb: it brings GDAL.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from prismcube.cube.gate import MemoryGate
from prismcube.cube.plan import CubePlan
from prismcube.encode.room import writing
from prismcube.errors import InvalidInput, SourceError, StorageFull
from prismcube.model.cube import SliceStatus, Step
from prismcube.storage.uri import without_secret
from providers.ogc.answer import Limits, Means
from providers.ogc.coverage.formats import FILES, stream_geotiff
from providers.ogc.coverage.handler import check_form
from providers.ogc.selection import Watched
from providers.plans import read_plan

LARGEST = 2**30
"""Bytes of a plan."""
SECONDS = 120
"""Until a server answers, and between the pieces of its answer."""
ANY = 2**62
"""No limit: who runs a plan pays for it."""


@dataclass(frozen=True)
class End:
    """How a slice ended."""

    step: Step
    status: SliceStatus
    message: str


def fetched(source: str, *, key: str | None) -> CubePlan:
    """The plan in a file, on standard input (`-`) or at an http address; `key` is shown to its server.

    Raises SourceError when it can't be read, InvalidInput when it is none.
    """
    if source == "-":
        body = sys.stdin.buffer.read(LARGEST + 1)
    elif source.lower().startswith(("http://", "https://")):
        body = _asked(source, key)
    else:
        try:
            body = Path(source).read_bytes()
        except OSError as error:
            raise SourceError(source, str(error.strerror or error)) from error
    if len(body) > LARGEST:
        raise InvalidInput("plan", f"has more than {LARGEST:,} bytes")
    return read_plan(body)


def _asked(url: str, key: str | None) -> bytes:
    """The document at an address. Nothing that is raised holds the query, which may be signed, or the key."""
    shown = without_secret(url)
    headers = {"Accept": "application/json"} | ({"X-API-Key": key} if key else {})
    body = bytearray()
    try:
        with httpx.stream("GET", url, headers=headers, timeout=SECONDS) as answer:
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > LARGEST:
                    break
            status, media_type = answer.status_code, answer.headers.get("content-type", "")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SourceError(shown, f"can't be asked for the plan ({type(error).__name__})") from None
    if status == 204:
        raise SourceError(shown, "there is no data in this area and time")
    if status != 200:
        raise SourceError(shown, f"answers with status {status}: {_detail(bytes(body))}")
    if not media_type.startswith("application/json"):
        raise SourceError(shown, f"sends {media_type or 'something'} instead of a plan; add f=plan to the address")
    return bytes(body)


def _detail(body: bytes) -> str:
    """What a problem document says."""
    try:
        return str(httpx.Response(200, content=body).json()["detail"])[:500]
    except (ValueError, KeyError, TypeError):
        return "no reason is given"


def run(
    plan: CubePlan, output: Path, *, format: str, strict: bool, working_bytes: int, progress: Callable[[End], None]
) -> list[End]:
    """Make the cube and write it to `output`, which is there only when it is whole; how each slice ended.

    With `strict`, it is not when a slice misses something.

    Raises SourceError when not one slice could be read, InvalidInput and BudgetExceeded for a cube that has no place in
    the format, StorageFull, which names the file.
    """
    ends: list[End] = []

    def ended(status: SliceStatus, message: str) -> None:
        ends.append(End(plan.slices[len(ends)].step, status, message))
        progress(ends[-1])

    folder = output.absolute().parent
    means = Means(
        limits=_limits(working_bytes),
        temporary=folder,
        memory=MemoryGate(2 * working_bytes),
        observer=_Ends(ended),
    )
    check_form(plan, format)
    with _naming(output), tempfile.TemporaryDirectory(dir=folder, prefix=f".{output.name}-") as inside:
        path = Path(inside, output.name)
        if format in FILES:
            slices = Watched(means, plan)
            FILES[format].write(path, plan.header, slices, title="")
            slices.check()
        else:
            with writing(), path.open("wb") as file:
                file.writelines(stream_geotiff(means, plan)[0])
        if not strict or all(is_whole(one) for one in ends):
            path.replace(output)
    return ends


@contextmanager
def _naming(output: Path) -> Iterator[None]:
    """Say of a file that can't be written which one it is. Raises StorageFull."""
    try:
        yield
    except (StorageFull, OSError) as error:
        cause = error.__cause__ if isinstance(error, StorageFull) else error
        why = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(error)
        raise StorageFull(f"{output} could not be written: {why}") from error


def is_whole(end: End) -> bool:
    """True when all files of the slice could be read."""
    return end.status not in (SliceStatus.FAILED, SliceStatus.PARTIAL)


class _Ends:
    """Hears of slices only."""

    def __init__(self, ended: Callable[[SliceStatus, str], None]) -> None:
        self._ended = ended

    def files_read(self, count: int, size: int) -> None:
        pass

    def fell_back(self, reason: str) -> None:
        pass

    def slice_made(self, status: SliceStatus, message: str) -> None:
        self._ended(status, message)


def _limits(working_bytes: int) -> Limits:
    return Limits(
        answer_bytes=ANY,
        working_bytes=working_bytes,
        read_bytes=ANY,
        pixels=ANY,
        slices=ANY,
        json_values=ANY,
        items=ANY,
        default_items=ANY,
        vertices=ANY,
        counted=ANY,
    )
