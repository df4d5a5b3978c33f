"""What a handler is given, and what it gives back.

handler(context, request, **path) -> Answer          pixels; runs in a pixel thread
handler(context, request, **path) -> dict            a document, which the server writes as JSON or as a page;
                                                     a Document when headers belong to it, an Answer when the handler
                                                     chose another format itself
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlencode

import orjson

from prismcube.catalogue.catalogue import Catalogue
from prismcube.cube.gate import MemoryGate, Stop, never
from prismcube.cube.observer import NOBODY, Observer
from prismcube.errors import NotFound
from prismcube.model.access import FULL, Access
from prismcube.model.collection import Collection
from prismcube.model.tilematrix import TileMatrixSet, standard_sets
from providers.errors import refused
from providers.ogc.offer import Processes

JSON = "application/json"
HTML = "text/html"
REL = "http://www.opengis.net/def/rel/ogc/1.0/"
"""Begins the names of relations that OGC has registered."""
CHUNK_BYTES = 1 << 20
SMALL = 1 << 16
"""Bytes of a document that is parsed without more ado: all threads together need some 16 MB for such."""
PARSED = 32
"""Times the size of a document, its values need as memory: most of empty objects, of 64 bytes each."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one request may cost; the settings of the same names say it (docs/reference/settings.md)."""

    answer_bytes: int
    working_bytes: int
    read_bytes: int
    pixels: int
    slices: int
    json_values: int
    items: int
    default_items: int
    vertices: int
    counted: int


@dataclass(frozen=True, kw_only=True)
class Means:
    """All it takes to make an answer of a plan."""

    limits: Limits
    temporary: Path
    """Folder for answers that are written before they are sent."""
    memory: MemoryGate
    """Shared by all requests of a worker."""
    stop: Stop = never
    """Raises Cancelled when the client has gone, TimeExceeded when the request has taken too long."""
    access: Access = FULL
    """What the caller may do."""
    observer: Observer = NOBODY
    """Is told what is read and made."""

    @contextmanager
    def parsing(self, size: int) -> Iterator[None]:
        """Have room for the values of a document of so many bytes: many large ones at once would be too much.

        Small ones never wait: whoever submits a job must not stand behind cubes.
        """
        with self.memory.hold(PARSED * size, stop=self.stop) if size > SMALL else nullcontext():
            yield


@dataclass(frozen=True, kw_only=True)
class Context(Means):
    """All a handler needs besides the request."""

    catalogue: Catalogue
    others: Callable[[], Sequence[Mapping[str, Any]]] = tuple
    """Gives the collection objects that others publish beside the catalogue's, by id; ready made."""
    other_processes: Callable[[], Sequence[Mapping[str, Any]]] = tuple
    """Gives the summaries of processes that others publish beside ours, by id; ready made."""
    matrix_sets: Mapping[str, TileMatrixSet] = field(default_factory=standard_sets)
    """The tile matrix sets that tiles can be asked in, by id."""
    processes: Processes | None = None
    """What can be run, and the jobs of it; None where nothing can."""

    def collection(self, name: str) -> Collection:
        """A collection that the caller may read. Raises NotFound, also for one that he may not know of."""
        if not self.access.may_read(name):
            raise NotFound("collection", name)
        return self.catalogue.collections.get(name)

    def check_sees_files(self, what: str) -> None:
        """Refuse what names files of the archive to who may not see the catalogue. Raises Forbidden."""
        if not self.access.may_change:
            raise refused(self.access, f"{what} names files of the archive; it needs the scope write")


@dataclass(frozen=True)
class Request:
    """What a client asks, beside the path."""

    query: Sequence[tuple[str, str]] = ()
    """Parameters in their order, decoded."""
    accept: str = ""
    """The Accept header."""
    base: str = ""
    """The API's own address, for links; without a slash at its end."""
    if_none_match: str = ""
    """The ETags that the client has."""
    body: bytes = field(default=b"", repr=False)
    content_type: str = ""
    """Of the body."""
    prefer: str = ""
    """The Prefer header (RFC 7240)."""
    idempotency_key: str = ""
    """The header of that name."""
    range: str = ""
    """The Range header."""
    if_range: str = ""
    """The ETag for which the range is wanted, else the whole."""


class Keep(StrEnum):
    """How long others may keep an answer; the server makes Cache-Control of it."""

    CHECK = "check"  # kept, but asked for again each time, with its ETag
    SHORT = "short"  # pictures and pixels: some minutes without asking
    NEVER = "never"  # what names files, tells of jobs, or is told once


@dataclass(frozen=True)
class Answer:
    """A response, ready to be sent."""

    body: bytes | FileBody | Stream
    media_type: str = JSON
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str = ""
    """With its quotes; made of the body by the server when it is empty and the body at hand."""
    keep: Keep = Keep.CHECK


@dataclass(frozen=True)
class Stream:
    """A body that is made while it is sent; `chunks` is closed when the client has gone."""

    pieces: Iterator[bytes]
    size: int | None = None
    """In bytes, when it is known before."""

    def chunks(self) -> Iterator[bytes]:
        return self.pieces


@dataclass(frozen=True)
class FileBody:
    """An open, already unlinked file: its space is free again as soon as it is closed, even by a kill."""

    file: IO[bytes]
    size: int

    def chunks(self) -> Generator[bytes]:
        """The content from the start, then closes the file; also when the caller stops early."""
        with self.file:
            self.file.seek(0)
            while chunk := self.file.read(CHUNK_BYTES):
                yield chunk


@dataclass(frozen=True)
class Pending:
    """An answer that comes when others have done their work."""

    ask: Callable[[], Answer | None]
    """The answer, once there is one; called now and then, each time for a moment only."""
    late: Callable[[], Answer]
    """The answer when the time is over."""
    seconds: float
    """How long it may take."""


class Document(dict[str, Any]):
    """A document with headers of its own."""

    def __init__(self, content: Mapping[str, Any], *, headers: Mapping[str, str]) -> None:
        super().__init__(content)
        self.headers = headers


def own_links(request: Request, address: str) -> list[dict[str, Any]]:
    """Of a document with a page: to itself, and to the page."""
    return [
        link(linked(address, request.query), "self", JSON, "This document"),
        link(linked(address, request.query, f="html"), "alternate", HTML, "As HTML"),
    ]


def json_answer(document: Any, media_type: str = JSON, *, keep: Keep = Keep.CHECK) -> Answer:
    return Answer(orjson.dumps(document), media_type, keep=keep)


def link(href: str, rel: str, media_type: str, title: str) -> dict[str, Any]:
    """A link object (RFC 8288 as OGC API - Common writes it)."""
    return {"href": href, "rel": rel, "type": media_type, "title": title}


def linked(address: str, pairs: Sequence[tuple[str, str]], **changes: str) -> str:
    """An address with the parameters of a request, some of them changed."""
    kept = [(name, value) for name, value in pairs if name not in changes] + list(changes.items())
    return f"{address}?{urlencode(kept)}" if kept else address


NOTHING_THERE = Answer(b"", status=204)
"""The area and time asked for hold no data."""
