"""One address of the OGC API, as the tables of `server.routes` have it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from providers.ogc.answer import JSON, Keep

HTML = "text/html"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One address that is read. Path parameters are written as the standards name them."""

    path: str
    handler: Callable[..., Any]
    summary: str
    tag: str
    parameters: tuple[str, ...] = ("f", "lang")
    """Names of the query parameters; described in `server.openapi`."""
    required: tuple[str, ...] = ()
    methods: tuple[str, ...] = ("GET", "HEAD")
    """That it knows; POST takes a body."""
    media_types: tuple[str, ...] = (JSON,)
    """Of the answers, the default first; documents have a page as well when there is a template."""
    formats: Mapping[str, str] = field(default_factory=lambda: {"json": JSON, "html": HTML})
    """Values of `f`."""
    template: str | None = None
    """Of the page, below `server/templates`; documents only."""
    keep: Keep = Keep.CHECK
    """How long others may keep it; documents only."""
    is_kept: bool = False
    """True: a document of what the outbox tells the changes of, kept until the next one."""
    may_be_empty: bool = False
    """True: 204 where nothing lies."""
    operation_id: str = ""
    """In the OpenAPI document, where a standard asks for one with a certain end."""


def document(path: str, handler: Callable[..., Any], template: str, summary: str, **more: Any) -> Operation:
    return Operation(path=path, handler=handler, template=template, summary=summary, **more)
