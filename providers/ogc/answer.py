"""What a handler gives back, and what it is given."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import orjson

from prismcube.catalogue.catalogue import Catalogue
from prismcube.cube.gate import MemoryGate, Stop, never

JSON = "application/json"
CHUNK_BYTES = 1 << 20


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


@dataclass(frozen=True, kw_only=True)
class Context:
    """All a handler needs besides the request."""

    catalogue: Catalogue
    limits: Limits
    temporary: Path
    """Folder for answers that are written before they are sent."""
    memory: MemoryGate
    """Shared by all requests of a worker."""
    stop: Stop = never
    """Raises Cancelled when the client has gone."""


@dataclass(frozen=True)
class Answer:
    """A response, ready to be sent."""

    body: bytes | FileBody
    media_type: str = JSON
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


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


def json_answer(document: Any, media_type: str = JSON) -> Answer:
    return Answer(orjson.dumps(document), media_type)


def link(href: str, rel: str, media_type: str, title: str) -> dict[str, Any]:
    """A link object (RFC 8288 as OGC API - Common writes it)."""
    return {"href": href, "rel": rel, "type": media_type, "title": title}


NOTHING_THERE = Answer(b"", status=204)
"""The area and time asked for hold no data."""
