"""Where STAC items come from: documents, lists of them, and catalogues that are followed through their links.

    walk(source) ─ a document ─ item              -> Found
                              ├ list, ndjson       -> Found of each, then its next page
                              └ catalog, collection -> what its `item`, `items` and `child` links lead to

Documents are what a stranger wrote: one that can't be read is a Problem and the rest go on, no document is read twice,
the depth is bounded, and a document from another host can't point to files of this machine (`storage.uri.resolve`).
A few bytes may unpack to very many, and a byte of JSON take a hundred in memory: both are bounded before they are paid.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
from pystac.errors import DuplicateObjectKeyError, ExtensionTypeError, RequiredPropertyMissing, STACError, STACTypeError

from prismcube.errors import InvalidInput, PrismcubeError, SourceError
from prismcube.storage.store import read
from prismcube.storage.uri import canonical_uri, resolve, without_secret

DEEPEST = 20
"""Links from a catalogue down to an item."""

LARGEST = 256 * 2**20
"""Bytes of a document, unpacked; also of a first line, which may be all of it."""

LONGEST_LINE = 16 * 2**20
"""Bytes of a line where each line is an item."""

MOST_ITEMS = 1_000_000
"""Items of a document, usable or not; also its lines, blank ones too."""

MOST_OBJECTS = 3_000_000
"""Objects and lists of a document, at up to 200 bytes of memory each."""

MOST_VALUES = 10_000_000
"""Values of a document, at about 60 bytes of memory each."""

RATIO = 200
"""How many times its size a gzipped document may be; items come to 5 to 30 times."""

ANY_RATIO = 16 * 2**20
"""Bytes that any gzipped document may have unpacked."""

MALFORMED = (STACError, STACTypeError, DuplicateObjectKeyError, ExtensionTypeError, RequiredPropertyMissing,
             KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)  # fmt: skip
"""What code that trusts a document raises when that is not as it should be."""

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
        except MALFORMED as error:
            yield Problem(name=name, reason=f"is not as STAC wants it ({told(error)})")

    def _single(self, document: dict[str, Any], visit: _Visit) -> Iterator[Found | Problem]:
        """The items of a document that stands alone; what it links to is left for later."""
        kind = _kind(document)
        if kind == "Feature":
            yield Found(item=document, base=visit.uri, collection=visit.collection)
        elif kind == "FeatureCollection":
            features = document.get("features")
            for number, item in enumerate(features if isinstance(features, list) else (), start=1):
                if number > MOST_ITEMS:
                    raise SourceError(visit.uri, f"has more than {MOST_ITEMS:,} items; the others are left out")
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
                reason = f"its next page must be asked for with {str(link['method'])[:20]}; only GET is followed"
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
            documents = [one for _, one in islice(parse(read(uri), name=without_secret(uri)), 2)]
        except (PrismcubeError, *MALFORMED):
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
    lines = _Lines(data, name)
    try:
        first = lines.next(LARGEST)
        one = _json(first, name)
        if not isinstance(one, dict):  # not complete on its first line: one document on many lines
            one = _json(first + lines.rest(LARGEST - len(first)), name)
            if not isinstance(one, dict):
                raise SourceError(name, "is not JSON" if one is _NOT_JSON else "is JSON, but not an object")
            yield None, one
            return
        line = lines.next(LONGEST_LINE)
        if not line:
            yield None, one
            return
        number = 1
        yield number, one
        while line:
            number += 1
            one = _json(line, name)
            wrong = Problem(name=f"{name} line {number}", reason="is not a JSON object")
            yield number, one if isinstance(one, dict) else wrong
            line = lines.next(LONGEST_LINE)
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(name, f"can't be unpacked: {error}") from error


def told(error: Exception) -> str:
    """An error in a few words: some quote the whole document."""
    text = " ".join(str(error)[:1000].split())
    return f"{type(error).__name__}: {text if len(text) <= 200 else f'{text[:200]}...'}"


_NOT_JSON = object()


def _json(text: bytes, name: str) -> Any:
    """The value of a text. Raises SourceError for one that would take too much memory."""
    for most, signs, what in ((MOST_OBJECTS, (b"{", b"["), "objects and lists"), (MOST_VALUES, (b",",), "values")):
        if len(text) > most and sum(map(text.count, signs)) > most:
            raise SourceError(name, f"has more than {most:,} {what}")
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return _NOT_JSON


class _Lines:
    """The lines of a document, unpacked as they are asked for."""

    def __init__(self, data: bytes, name: str) -> None:
        self._name = name
        self._number = 0
        self._stream: io.BufferedIOBase = io.BytesIO(data)
        if data.startswith(_GZIP):
            self._stream = io.BufferedReader(_Unpacked(data, name), 2**16)

    def next(self, longest: int) -> bytes:
        """The next line that is not blank, without a byte order mark; empty at the end."""
        while line := self._stream.readline(longest + 1):
            self._number += 1
            if len(line) > longest:
                raise SourceError(self._name, f"has a line of more than {longest:,} bytes")
            if self._number > MOST_ITEMS:
                raise SourceError(self._name, f"has more than {MOST_ITEMS:,} lines; the others are left out")
            line = line.removeprefix(b"\xef\xbb\xbf")
            if line.strip():
                return line
        return b""

    def rest(self, most: int) -> bytes:
        """All that is left."""
        rest = self._stream.read(most + 1)
        if len(rest) > most:
            raise SourceError(self._name, f"is larger than {LARGEST:,} bytes")
        return rest


class _Unpacked(io.RawIOBase):
    """What a gzipped document holds. Raises SourceError when it is hardly one, but made to fill memory."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__()
        self._name = name
        self._file = gzip.GzipFile(fileobj=io.BytesIO(data))
        self._most = max(ANY_RATIO, RATIO * len(data))
        self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        count = self._file.readinto(buffer)
        self._size += count
        if self._size > self._most:
            raise SourceError(self._name, f"unpacks to more than {self._most:,} bytes, too many for its size")
        return count


def _kind(document: dict[str, Any]) -> str:
    """`Feature`, `FeatureCollection`, `Catalog` or `Collection`; older versions don't say the latter two."""
    kind = document.get("type")
    if kind in ("Feature", "FeatureCollection", "Catalog", "Collection"):
        return str(kind)
    if "stac_version" in document and "links" in document:
        return "Collection" if "extent" in document else "Catalog"
    if not kind:
        return "an object without a type"
    return f"an object of type {kind[:60]!r}" if isinstance(kind, str) else "an object whose type is no text"
