"""The body of an execute request (OGC 18-062r2, clause 7.11, schema execute.yaml) as a value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from prismcube.errors import InvalidInput, UnknownParameter
from prismcube.jobs.documents import OURS
from prismcube.model.machine import Level
from prismcube.model.values import check_value
from providers.errors import UnsupportedMediaType
from providers.ogc.answer import JSON, Request
from providers.ogc.offer import Process

MEMBERS = ("inputs", "outputs", "response", "subscriber", OURS)
RESPONSES = ("raw", "document")
TRANSMISSION = ("value", "reference")
FORMAT = ("mediaType", "encoding", "schema")
"""Members of a format (schema format.yaml)."""
SUBSCRIBER = ("successUri", "inProgressUri", "failedUri")
OWN = ("level", "priority", "mostBytes", "seconds")
QUALIFIED = {"value", "format", *FORMAT}
"""Members of a value that tells its format (schema qualifiedInputValue.yaml); `format` as drafts wrote it."""
LONGEST_URL = 2000
PRIORITIES = 100
MOST_BYTES = 2**53
MOST_SECONDS = 1e9
TEXT = "text/plain"


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
    inputs = _mapping(body, "inputs")
    for name, value in inputs.items():
        check_value(f"inputs.{name[:60]}", value)
    return Execution(
        inputs=_unwrapped(inputs, process),
        outputs=_outputs(body, process),
        response=_choice(body, "response", RESPONSES),
        subscriber=_subscriber(body),
        level=_level(own),
        priority=int(_number(own, "priority", least=-PRIORITIES, most=PRIORITIES, whole=True) or 0),
        most_bytes=_whole(own, "mostBytes"),
        seconds=_number(own, "seconds", least=0, most=MOST_SECONDS),
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
    return body


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
    found = _number(own, name, least=1, most=MOST_BYTES, whole=True)
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
        mode = _choice(wanted, "transmissionMode", TRANSMISSION, f"{place}.")
        _check_format(wanted.get("format", {}), process.outputs[name].schema, f"{place}.format")
        found[name] = {"transmissionMode": mode or "value"}
    return found


def _check_format(wanted: object, schema: Mapping[str, Any], place: str) -> None:
    """An output comes as it is described; a client that wants another format is told so."""
    if not isinstance(wanted, Mapping):
        raise InvalidInput(place, "must be a JSON object")
    _known(wanted, FORMAT, f"{place}.")
    _check_told(wanted, schema, place)
    if not isinstance(wanted.get("schema", ""), str | Mapping):
        raise InvalidInput(f"{place}.schema", "must be an address or a JSON object")


def _check_told(told: Mapping[str, Any], schema: Mapping[str, Any], place: str) -> None:
    """The media type and encoding that are told of a value are among those that it may have."""
    for name, known in (("mediaType", media_types(schema)), ("encoding", encodings(schema))):
        value = told.get(name)
        if value is not None and value not in known:
            raise InvalidInput(f"{place}.{name}", f"{str(value)[:60]!r} is not one of {', '.join(known)}")


def media_types(schema: Mapping[str, Any]) -> list[str]:
    """The formats that a value of a schema may have: text comes as it is where it is the whole answer."""
    found = [one["contentMediaType"] for one in _parts(schema) if "contentMediaType" in one]
    return list(dict.fromkeys(found)) or ([TEXT] if schema.get("type") == "string" else []) + [JSON]


def encodings(schema: Mapping[str, Any]) -> list[str]:
    """The encodings that a value of a schema may have within a document."""
    found = [one["contentEncoding"] for one in _parts(schema) if "contentEncoding" in one]
    return list(dict.fromkeys(found)) or ["utf-8", "UTF-8"]


def _parts(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The schema, those that it is put together of, and those of the items of an array."""
    yield schema
    inner = [one for word in ("anyOf", "oneOf", "allOf") for one in schema.get(word, ())]
    for one in (*inner, schema.get("items")):
        if isinstance(one, Mapping):
            yield from _parts(one)


def _subscriber(body: Mapping[str, Any]) -> dict[str, str]:
    found = _mapping(body, "subscriber")
    _known(found, SUBSCRIBER, "subscriber.")
    for name, url in found.items():
        if not isinstance(url, str) or len(url) > LONGEST_URL:
            raise InvalidInput(f"subscriber.{name}", f"must be an address of at most {LONGEST_URL:,} characters")
    return dict(found)


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
    if isinstance(told, Mapping):
        _check_told(told, schema, f"{place}.format")
    _check_told(value, schema, place)
    return value["value"]


def _takes_object_whole(value: Mapping[str, Any], schema: Mapping[str, Any]) -> bool:
    """True for a lone `value` that is no object, where an object is wanted: it is a member of that object."""
    return schema.get("type") == "object" and value.keys() == {"value"} and not isinstance(value["value"], Mapping)
