"""Where STAC items come from: documents, lists of them, and catalogues that are followed through their links.

    walk(source) ─ a document ─ item              -> Found
                              ├ list, ndjson       -> Found of each, then its next page
                              └ catalog, collection -> what its `item`, `items` and `child` links lead to

Documents are what a stranger wrote: one that can't be read is a Problem and the rest go on, no document is read twice,
the depth is bounded, and a document from another host can't point to files of this machine (`storage.uri.resolve`).
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from prismcube.errors import InvalidInput, PrismcubeError, SourceError
from prismcube.storage.store import read
from prismcube.storage.uri import canonical_uri, resolve, without_secret

DEEPEST = 20
"""Links from a catalogue down to an item."""

LARGEST = 256 * 2**20
"""Bytes of a document, unpacked; of one line where each line is an item."""

_GZIP = b"\x1f\x8b"
_FOLDER_FILES = ("catalog.json", "collection.json")


@dataclass(frozen=True, kw_only=True)
class Found:
    """An item as it is written, and where."""

    item: dict[str, Any]
    base: str
    """URI of the document it is part of; relative links start there."""
    embedded: bool = False
    """True: the document is a list of items, which may have been written elsewhere."""
    collection: dict[str, Any] | None = None
    """The STAC collection it was reached through."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A document or part of one that can't be used."""

    name: str
    """URI without secrets, with a line number or position where there are many."""
    reason: str


def walk(sources: Iterable[str]) -> Iterator[Found | Problem]:
    """The items of sources: local paths and URIs of documents, and folders with a catalogue; in the order of links."""
    walker = _Walker()
    for source in sources:
        yield from walker.source(source)


@dataclass(frozen=True)
class _Visit:
    uri: str
    collection: dict[str, Any] | None
    depth: int


@dataclass
class _Walker:
    """Goes from link to link with a list of what is left, since a list of items may have thousands of pages."""

    _seen: set[str] = field(default_factory=set)
    _left: list[_Visit] = field(default_factory=list)

    def source(self, source: str) -> Iterator[Found | Problem]:
        path = Path(source)
        try:
            if "://" not in source and path.is_dir():
                documents = [path / name for name in _FOLDER_FILES if (path / name).is_file()]
                if not documents:
                    yield Problem(name=source, reason=f"is a folder without {' or '.join(_FOLDER_FILES)}")
                    return
                source = str(documents[0])
            self._left = [_Visit(canonical_uri(source), None, 0)]
        except InvalidInput as error:
            yield Problem(name=without_secret(source), reason=error.reason)
            return
        while self._left:
            visit = self._left.pop()
            if visit.uri in self._seen:
                continue
            self._seen.add(visit.uri)
            yield from self._document(visit)

    def _document(self, visit: _Visit) -> Iterator[Found | Problem]:
        name = without_secret(visit.uri)
        if visit.depth > DEEPEST:
            yield Problem(name=name, reason=f"is more than {DEEPEST} links below the first document")
            return
        try:
            for number, document in parse(read(visit.uri), name=name):
                if isinstance(document, Problem):
                    yield document
                elif number is None:
                    yield from self._single(document, visit)
                elif _kind(document) == "Feature":
                    yield Found(item=document, base=visit.uri, embedded=True, collection=visit.collection)
                else:
                    yield Problem(name=f"{name} line {number}", reason=f"is no STAC item but {_kind(document)}")
        except SourceError as error:
            yield Problem(name=name, reason=error.reason)
        except PrismcubeError as error:
            yield Problem(name=name, reason=str(error))

    def _single(self, document: dict[str, Any], visit: _Visit) -> Iterator[Found | Problem]:
        """The items of a document that stands alone; what it links to is left for later."""
        kind = _kind(document)
        if kind == "Feature":
            yield Found(item=document, base=visit.uri, collection=visit.collection)
        elif kind == "FeatureCollection":
            features = document.get("features")
            for number, item in enumerate(features if isinstance(features, list) else (), start=1):
                if isinstance(item, dict):
                    yield Found(item=item, base=visit.uri, embedded=True, collection=visit.collection)
                else:
                    yield Problem(name=f"{without_secret(visit.uri)} item {number}", reason="is not an object")
            yield from self._follow(document, visit, ("next",))
        elif kind in ("Catalog", "Collection"):
            own = document if kind == "Collection" else visit.collection
            yield from self._follow(document, _Visit(visit.uri, own, visit.depth + 1), ("item", "items", "child"))
        else:
            reason = f"is {kind}; a STAC item, a list of items, a catalogue or a collection is expected"
            yield Problem(name=without_secret(visit.uri), reason=reason)

    def _follow(self, document: dict[str, Any], visit: _Visit, rels: tuple[str, ...]) -> Iterator[Problem]:
        """Leave what the links with these relations lead to for later, at the depth of `visit`."""
        found = []
        for link in (link for rel in rels for link in links(document, rel)):
            if link.get("method", "GET") != "GET":
                reason = f"its next page must be asked for with {link['method']}; only GET is followed"
                yield Problem(name=without_secret(visit.uri), reason=reason)
                continue
            try:
                found.append(_Visit(resolve(link["href"], visit.uri), visit.collection, visit.depth))
            except InvalidInput as error:
                yield Problem(name=without_secret(visit.uri), reason=f"its {link['rel']} link: {error.reason}")
        self._left += reversed(found)


def linked_collection(found: Found) -> dict[str, Any] | None:
    """The STAC collection that an item links to; None when there is none that can be read."""
    for link in links(found.item, "collection"):
        try:
            uri = resolve(link["href"], found.base)
            documents = [one for _, one in parse(read(uri), name=without_secret(uri))]
        except PrismcubeError:
            continue
        if len(documents) == 1 and isinstance(documents[0], dict) and _kind(documents[0]) == "Collection":
            return documents[0]
    return None


def links(document: dict[str, Any], rel: str) -> Iterator[dict[str, Any]]:
    """The links of a document that have this relation and a place."""
    found = document.get("links")
    for link in found if isinstance(found, list) else ():
        if isinstance(link, dict) and link.get("rel") == rel and isinstance(link.get("href"), str):
            yield link


def parse(data: bytes, *, name: str) -> Iterator[tuple[int | None, Any]]:
    """The objects of a document, gzipped or not: one (None, object), or (line, object) for newline-delimited JSON.

    An object that can't be used is a Problem. Raises SourceError when nothing can be read at all.
    """
    stream: io.BufferedIOBase = io.BytesIO(data)
    if data.startswith(_GZIP):
        stream = gzip.GzipFile(fileobj=stream)
    try:
        first = _line(stream, name)
        one = _json(first)
        if not isinstance(one, dict):  # not complete on its first line: one document on many lines
            rest = stream.read(LARGEST + 1)
            if len(rest) > LARGEST:
                raise SourceError(name, f"is larger than {LARGEST:,} bytes")
            one = _json(first + rest)
            if not isinstance(one, dict):
                raise SourceError(name, "is not JSON" if one is _NOT_JSON else "is JSON, but not an object")
            yield None, one
            return
        second = _line(stream, name)
        if not second:
            yield None, one
            return
        number = 1
        yield number, one
        while second:
            number += 1
            one = _json(second)
            wrong = Problem(name=f"{name} line {number}", reason="is not a JSON object")
            yield number, one if isinstance(one, dict) else wrong
            second = _line(stream, name)
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(name, f"can't be unpacked: {error}") from error


_NOT_JSON = object()


def _json(text: bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return _NOT_JSON


def _line(stream: io.BufferedIOBase, name: str) -> bytes:
    """The next line that is not blank, without a byte order mark; empty at the end."""
    while line := stream.readline(LARGEST + 1):
        if len(line) > LARGEST:
            raise SourceError(name, f"has a line of more than {LARGEST:,} bytes")
        line = line.removeprefix(b"\xef\xbb\xbf")
        if line.strip():
            return line
    return b""


def _kind(document: dict[str, Any]) -> str:
    """`Feature`, `FeatureCollection`, `Catalog` or `Collection`; older versions don't say the latter two."""
    kind = document.get("type")
    if kind in ("Feature", "FeatureCollection", "Catalog", "Collection"):
        return str(kind)
    if "stac_version" in document and "links" in document:
        return "Collection" if "extent" in document else "Catalog"
    return f"an object of type {kind!r}" if kind else "an object without a type"
