"""The query parameters that lists of entities share."""

from __future__ import annotations

from collections.abc import Sequence

from shapely.geometry.base import BaseGeometry

from prismcube.errors import InvalidInput
from prismcube.model.globe import box_on_globe
from prismcube.model.pattern import Pattern
from prismcube.model.period import Period
from providers.ogc.params import Query, parse_number

MOST_IDS = 1000
"""Ids in one parameter."""

DESCRIPTIONS = {
    "ids": "Ids, separated by commas.",
    "name": "Pattern: `*` any characters, `?` exactly one, `\\` takes the meaning of the next, `(?i)` at the end "
    "ignores case.",
    "tags": "`key:pattern`, or `key` alone for any value; give the parameter once for each. A colon of the key is "
    "written `\\:`.",
    "datetime": "An instant or period (RFC 3339), limits inclusive, `..` for an open side.",
    "bbox": "west,south,east,north in degrees; west greater than east crosses the antimeridian.",
    "variable": "Id of the variable.",
    "instance": "Id of an instance: the variable it belongs to.",
    "aoi": "Id of an area of interest: what lies where it does.",
    "uri": "Pattern of the file's URI.",
    "managed": "`true` or `false`.",
    "layout": "Name of the layout.",
    "records": "Ids of records, separated by commas.",
    "instances": "Ids of instances, separated by commas.",
    "containers": "Ids of containers, separated by commas.",
    "status": "`active`, `inactive` or `to-delete`.",
    "job": "Name of the job that has locked them.",
}


class Filters:
    """The parameters of a list, parsed as they are asked for. Each raises InvalidInput naming the parameter."""

    def __init__(self, query: Query, pairs: Sequence[tuple[str, str]]) -> None:
        self._query = query
        self._pairs = pairs

    def text(self, name: str) -> str | None:
        return self._query.text(name)

    def pattern(self, name: str) -> Pattern | None:
        text = self._query.text(name)
        if text is None:
            return None
        try:
            return Pattern(text)
        except InvalidInput as error:
            raise InvalidInput(name, error.reason) from error

    def period(self) -> Period | None:
        return self._query.period()

    def ids(self, name: str) -> tuple[int, ...] | None:
        texts = self._query.names(name)
        if texts is None:
            return None
        if len(texts) > MOST_IDS:
            raise InvalidInput(name, f"has {len(texts):,} ids, at most {MOST_IDS:,} are allowed")
        for text in texts:
            if not (text.isascii() and text.isdigit() and len(text) <= 18):
                raise InvalidInput(name, f"{text[:40]!r} is not an id")
        return tuple(map(int, texts))

    def id(self, name: str) -> int | None:
        return self._query.integer(name, least=0)

    def flag(self, name: str) -> bool | None:
        text = self.choice(name, ["true", "false"])
        return None if text is None else text == "true"

    def choice(self, name: str, known: Sequence[str]) -> str | None:
        text = self._query.text(name)
        if text is not None and text not in known:
            raise InvalidInput(name, f"must be {' or '.join(known)}, got {text[:40]!r}")
        return text

    def tags(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, text in self._pairs:
            if name == "tags":
                key, pattern = _split_tag(text)
                if key in found:
                    raise InvalidInput("tags", f"{key[:60]!r} is given twice")
                try:
                    found[key] = Pattern(pattern).text
                except InvalidInput as error:
                    raise InvalidInput("tags", error.reason) from error
        return found

    def area(self) -> BaseGeometry | None:
        text = self._query.text("bbox")
        if text is None:
            return None
        parts = text.split(",")
        if len(parts) != 4:
            raise InvalidInput("bbox", f"must be four numbers, got {text[:80]!r}")
        return box_on_globe(*(parse_number(part, "bbox") for part in parts))


def _split_tag(text: str) -> tuple[str, str]:
    """Key and pattern of `key:pattern`; the pattern is empty when there is no colon."""
    key, escaped = "", False
    for position, character in enumerate(text):
        if escaped:
            key += character if character in ":\\" else f"\\{character}"
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == ":":
            return key, text[position + 1 :]
        else:
            key += character
    return key + "\\" * escaped, ""
