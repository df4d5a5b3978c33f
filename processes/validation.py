"""Inputs of a process, held against its schemas before anything is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.exceptions import best_match

from prismcube.errors import InvalidInput, UnknownParameter
from prismcube.jobs.documents import OURS
from prismcube.jobs.references import NotFetched
from prismcube.model.values import check_value
from processes.process import Input, Inputs, Process, reads_nothing

FORMATS = FormatChecker()

SHOWN = 100
"""Characters of a wrong value that an error repeats."""

LINK = frozenset({"href", "rel", "type", "hreflang", "title", "length"})
"""Members of a link (schema link.yaml); an object with `href` and none but these is one."""

Follow = Callable[[Mapping[str, Any]], Any]
"""What a link leads to; raises NotFetched."""


def checked_inputs(process: Process, given: object, *, follow: Follow) -> Inputs:
    """The inputs with defaults filled in, and what links lead to in place of them.

    Raises InvalidInput naming the input, or the member of it, that is wrong, missing, not known, or can't be fetched.
    """
    if not isinstance(given, Mapping):
        raise InvalidInput("inputs", "must be a JSON object, with a member for each input")
    for name in given:
        if name not in process.inputs:
            raise UnknownParameter(f"inputs.{str(name)[:SHOWN]}", known=list(process.inputs))
    for name, value in given.items():
        check_value(f"inputs.{name}", value)
    found: dict[str, Any] = {}
    for name, one in process.inputs.items():
        if name in given:
            found[name] = _followed(f"inputs.{name}", one, given[name], follow)
        elif "default" in one.schema:
            found[name] = one.schema["default"]
        elif one.required:
            raise InvalidInput(f"inputs.{name}", f"is missing; {process.id} needs it")
    for name, value in found.items():
        validator = Draft202012Validator(process.inputs[name].whole_schema, format_checker=FORMATS)
        error = best_match(validator.iter_errors(value))
        if error is not None:
            raise InvalidInput(_place(name, error), _reason(error))
    return found


def _followed(place: str, one: Input, value: Any, follow: Follow) -> Any:
    if one.takes_links:
        return value
    if isinstance(value, list):
        return [_followed(f"{place}[{n}]", one, each, follow) for n, each in enumerate(value)]
    if not isinstance(value, Mapping) or "href" not in value or not value.keys() <= LINK:
        return value
    try:
        fetched = follow(value)
    except NotFetched as error:
        site = str(value["href"]).partition("?")[0][:SHOWN]  # a query may hold a secret
        raise InvalidInput(place, f"can't be fetched from {site}: {error}") from error
    check_value(place, fetched)
    return fetched


def check_limit(process: Process, inputs: Inputs, most_bytes: int | None) -> None:
    """Refuse a limit that would never hold. Raises InvalidInput."""
    if most_bytes is not None and not process.reads(inputs):
        how = " with these inputs" if process.reads is not reads_nothing else ""
        reason = (
            f"{process.id} reads no pixels{how}, so there are no bytes to be limited; leave it out, or give seconds"
        )
        raise InvalidInput(f"{OURS}.mostBytes", reason)


def _place(name: str, error: ValidationError) -> str:
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path]
    return f"inputs.{name}{''.join(parts)}"


def _reason(error: ValidationError) -> str:
    return error.message if len(error.message) <= 3 * SHOWN else f"{error.message[: 3 * SHOWN]}..."
