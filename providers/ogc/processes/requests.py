"""The body of an execute request (OGC 18-062r2, clause 7.11, schema execute.yaml) as a value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson

from prismcube.errors import InvalidInput, UnknownParameter
from prismcube.jobs.documents import OURS
from prismcube.model.machine import Level
from prismcube.model.text import check_text
from providers.errors import UnsupportedMediaType
from providers.ogc.answer import JSON, Request
from providers.ogc.offer import Process

MEMBERS = ("inputs", "outputs", "response", "subscriber", OURS)
SUBSCRIBER = ("successUri", "inProgressUri", "failedUri")
OWN = ("level", "priority", "mostBytes", "seconds")
QUALIFIED = {"value", "mediaType", "encoding", "schema", "format"}
"""Members of a value that tells its format (schema qualifiedInputValue.yaml); `format` as drafts wrote it."""
DEEPEST = 100
"""Levels of a body: writers of JSON give up at some 250, and whoever hands inputs on does at its own depth."""
LONGEST_URL = 2000
PRIORITIES = 100


@dataclass(frozen=True, kw_only=True)
class Execution:
    """What is asked for; inputs are as they came, but without their wrapping."""

    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Mapping[str, Any]] | None = None
    """Those that are wanted, with `transmissionMode`; None: all, by value."""
    response: str = ""
    """`raw` or `document`; empty: not said."""
    subscriber: Mapping[str, str] = field(default_factory=dict)
    level: Level = Level.NONE
    priority: int = 0
    most_bytes: int | None = None
    seconds: float | None = None

    def kept(self, *, base: str) -> dict[str, Any]:
        """What the job's row keeps of it, beside the inputs."""
        found: dict[str, Any] = {"base": base}
        if self.outputs is not None:
            found["outputs"] = {name: dict(one) for name, one in self.outputs.items()}
        if self.response:
            found["response"] = self.response
        if self.subscriber:
            found["subscriber"] = dict(self.subscriber)
        return found


def parse(request: Request, process: Process) -> Execution:
    """Raises InvalidInput naming the member, UnsupportedMediaType."""
    body = _object(request)
    own = _mapping(body, OURS)
    _known(own, OWN, f"{OURS}.")
    return Execution(
        inputs=_unwrapped(_mapping(body, "inputs"), process),
        outputs=_outputs(body, process),
        response=_choice(body, "response", ("raw", "document")),
        subscriber=_subscriber(body),
        level=_level(own),
        priority=int(_number(own, "priority", least=-PRIORITIES, most=PRIORITIES, whole=True) or 0),
        most_bytes=_whole(own, "mostBytes"),
        seconds=_number(own, "seconds", least=0, most=1e9),
    )


def _object(request: Request) -> Mapping[str, Any]:
    kind = request.content_type.partition(";")[0].strip().lower()
    if kind not in ("", JSON) and not kind.endswith("+json"):
        raise UnsupportedMediaType(f"the body must be {JSON}, got {kind[:60]!r}")
    try:
        body = orjson.loads(request.body or b"{}")
    except orjson.JSONDecodeError as error:
        raise InvalidInput("body", f"is not JSON: {error}") from error
    if not isinstance(body, Mapping):
        raise InvalidInput("body", "must be a JSON object")
    _known(body, MEMBERS, "")
    for name, value in body.items():
        for text in _texts(value, name):
            check_text(name, text, longest=len(text))  # PostgreSQL takes no NUL, in JSON neither
    return body


def _texts(value: Any, place: str) -> Iterator[str]:
    """All texts within a JSON value, names of members too. Raises InvalidInput for one that is nested too deeply."""
    rest = [(value, 0)]
    while rest:
        one, depth = rest.pop()
        if depth > DEEPEST:
            raise InvalidInput(place, f"is nested more than {DEEPEST} levels deep")
        if isinstance(one, str):
            yield one
        elif isinstance(one, Mapping):
            yield from one
            rest += [(value, depth + 1) for value in one.values()]
        elif isinstance(one, list):
            rest += [(value, depth + 1) for value in one]


def _known(found: Mapping[str, Any], names: tuple[str, ...], place: str) -> None:
    for name in found:
        if name not in names:
            raise UnknownParameter(f"{place}{name[:60]}", known=names)


def _mapping(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = body.get(name, {})
    if not isinstance(found, Mapping):
        raise InvalidInput(name, "must be a JSON object")
    return found


def _choice(body: Mapping[str, Any], name: str, values: tuple[str, ...], place: str = "") -> str:
    found = body.get(name, "")
    if found != "" and found not in values:
        raise InvalidInput(f"{place}{name}", f"must be {' or '.join(values)}")
    return str(found)


def _number(own: Mapping[str, Any], name: str, *, least: float, most: float, whole: bool = False) -> float | None:
    found = own.get(name)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int if whole else int | float) or not least <= found <= most:
        raise InvalidInput(f"{OURS}.{name}", f"must be a {'whole ' if whole else ''}number from {least:g} to {most:g}")
    return found


def _whole(own: Mapping[str, Any], name: str) -> int | None:
    found = _number(own, name, least=1, most=2**53, whole=True)
    return None if found is None else int(found)


def _level(own: Mapping[str, Any]) -> Level:
    values = tuple(level.value for level in Level)
    return Level(_choice(own, "level", values, f"{OURS}.") or Level.NONE.value)


def _outputs(body: Mapping[str, Any], process: Process) -> dict[str, Mapping[str, Any]] | None:
    if "outputs" not in body:
        return None
    found: dict[str, Mapping[str, Any]] = {}
    for name, wanted in _mapping(body, "outputs").items():
        place = f"outputs.{name[:60]}"
        if name not in process.outputs:
            raise UnknownParameter(place, known=list(process.outputs))
        if not isinstance(wanted, Mapping):
            raise InvalidInput(place, "must be a JSON object")
        _known(wanted, ("transmissionMode", "format"), f"{place}.")
        mode = _choice(wanted, "transmissionMode", ("value", "reference"), f"{place}.")
        _check_format(wanted.get("format", {}), process.outputs[name].schema, f"{place}.format")
        found[name] = {"transmissionMode": mode or "value"}
    return found


def _check_format(wanted: object, schema: Mapping[str, Any], place: str) -> None:
    """An output comes as it is described; a client that wants another format is told so."""
    if not isinstance(wanted, Mapping):
        raise InvalidInput(place, "must be a JSON object")
    _known(wanted, ("mediaType", "encoding", "schema"), f"{place}.")
    media_type = wanted.get("mediaType")
    known = media_types(schema)
    if media_type is not None and media_type not in known:
        raise InvalidInput(f"{place}.mediaType", f"must be one of {', '.join(known)}")


def media_types(schema: Mapping[str, Any]) -> list[str]:
    """The formats that a value of a schema may have."""
    found = [schema["contentMediaType"]] if "contentMediaType" in schema else []
    for word in ("anyOf", "oneOf", "allOf"):
        for one in schema.get(word, ()):
            found += media_types(one)
    if isinstance(schema.get("items"), Mapping):
        found += media_types(schema["items"])
    return list(dict.fromkeys(found)) or [JSON]


def _subscriber(body: Mapping[str, Any]) -> dict[str, str]:
    found = _mapping(body, "subscriber")
    _known(found, SUBSCRIBER, "subscriber.")
    for name, url in found.items():
        if not isinstance(url, str) or len(url) > LONGEST_URL or not _is_web(url):
            raise InvalidInput(f"subscriber.{name}", "must be an address that begins with http:// or https://")
    return dict(found)


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and url.isprintable() and " " not in url
    except ValueError:
        return False


def _unwrapped(inputs: Mapping[str, Any], process: Process) -> dict[str, Any]:
    """Values out of their wrapping, which tells a format beside each."""
    found: dict[str, Any] = {}
    for name, value in inputs.items():
        one = process.inputs.get(name)
        if one is None:  # for the check, which knows the names
            found[name] = value
        elif one.most > 1 and isinstance(value, list):
            found[name] = [_value(item, one.schema, f"inputs.{name}[{at}]") for at, item in enumerate(value)]
        else:
            found[name] = _value(value, one.schema, f"inputs.{name}")
    return found


def _value(value: Any, schema: Mapping[str, Any], place: str) -> Any:
    if not isinstance(value, Mapping) or "value" not in value or not value.keys() <= QUALIFIED:
        return value
    if _takes_object_whole(value, schema):
        return value
    told = value.get("format", {})
    media_type = value.get("mediaType") or (told.get("mediaType") if isinstance(told, Mapping) else None)
    known = media_types(schema)
    if media_type is not None and media_type not in known:
        raise InvalidInput(f"{place}.mediaType", f"{str(media_type)[:60]!r} is not one of {', '.join(known)}")
    return value["value"]


def _takes_object_whole(value: Mapping[str, Any], schema: Mapping[str, Any]) -> bool:
    """True for a lone `value` that is no object, where an object is wanted: it is a member of that object."""
    return schema.get("type") == "object" and value.keys() == {"value"} and not isinstance(value["value"], Mapping)
