"""From a file and the environment to `Settings`, or to a list of every mistake. Who calls whom:

    load ─ _read                the file, with ${VARIABLE} expanded by pygeoapi's own loader
         ├ _environment         PRISMCUBE_<SECTION>__<NAME>, which wins over the file
         ├ _ours                our part, checked by the models of config.tree
         └ _pygeoapi_mistakes   the rest, checked by pygeoapi's own schema

The tree itself is in `config.tree`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from config.access import AccessControl, is_loopback
from config.section import Section
from config.tree import ROOT, SECRETS, Ours, Setting, Settings, describe
from prismcube.errors import ConfigurationError

__all__ = ["ENV_PREFIX", "Setting", "Settings", "describe", "is_loopback", "load"]

ENV_PREFIX = "PRISMCUBE_"
"""Begins the names of environment variables that override settings."""

Mistake = tuple[str, str]


def load(path: Path, *, overrides: Mapping[str, object] | None = None) -> Settings:
    """The settings of the file at `path`.

    The environment wins over the file, and `overrides` (by dotted name, from a command line) over both.
    Raises ConfigurationError with all mistakes of our part and of pygeoapi's.
    """
    document = _read(path)
    rest = {key: value for key, value in document.items() if key != ROOT}
    mistakes = _pygeoapi_mistakes(rest)
    ours, own_mistakes = _ours(document.get(ROOT), overrides or {})
    mistakes += own_mistakes
    if mistakes or ours is None:
        raise ConfigurationError(str(path), mistakes)
    parts = {name: getattr(ours, name) for name in Ours.model_fields}
    return Settings(**parts, pygeoapi=rest, path=path)


def _read(path: Path) -> dict[str, Any]:
    from pygeoapi.util import yaml_load  # here and below: it takes half a second, and who is given settings needs none

    try:
        with path.open(encoding="utf-8") as file:
            document = yaml_load(file)
    except yaml.YAMLError as error:
        raise ConfigurationError(str(path), [("file", f"is not YAML: {error}")]) from error
    except OSError as error:  # also pygeoapi's word for a ${VARIABLE} that is not set
        raise ConfigurationError(str(path), [("file", f"can't be read: {error.strerror or error}")]) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(str(path), [("file", "is not UTF-8 text")]) from error
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        raise ConfigurationError(str(path), [("file", "must hold keys and values")])
    return document


# --- our part -----------------------------------------------------------------------------------------------------


class _EnvironmentShape(Ours, BaseSettings):
    """Tells pydantic-settings which variables to look for; never made."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, env_nested_delimiter="__", env_ignore_empty=True)


def _ours(section: object, overrides: Mapping[str, object]) -> tuple[Ours | None, list[Mistake]]:
    environment, mistakes = _environment()
    if section is not None and not isinstance(section, dict):
        return None, [*mistakes, (ROOT, f"must hold keys and values, got {section!r:.60}")]
    # A section whose lines are all commented out reads as null, and means its defaults.
    values = _merged(_with_empty_sections(Ours, section or {}), environment)
    for name, value in overrides.items():
        for key in reversed(name.removeprefix(f"{ROOT}.").split(".")):
            value = {key: value}
        values = _merged(values, value)  # type: ignore[arg-type]  # a dict by now: a name has at least one part
    try:
        context = {"asks_for_keys": _asks_for_keys(values.get("access"))}
        return Ours.model_validate(values, context=context), mistakes
    except ValidationError as error:
        return None, mistakes + [_own_mistake(detail) for detail in error.errors()]


def _with_empty_sections(shape: type[Section], values: Mapping[str, Any]) -> dict[str, Any]:
    result = {}
    for key, value in values.items():
        field = shape.model_fields.get(key)
        if field is not None and isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            value = _with_empty_sections(field.annotation, value or {}) if isinstance(value, dict | None) else value
        result[key] = value
    return result


def _asks_for_keys(section: object) -> bool:
    """What other sections need to know of `access`. One with mistakes asks: they are told, nothing follows of them."""
    try:
        return AccessControl.model_validate({} if section is None else section).is_configured
    except ValidationError:
        return True


def _environment() -> tuple[dict[str, Any], list[Mistake]]:
    """What the environment sets, and its variables that set nothing."""
    sections = [name for name in Ours.model_fields if _is_section(name)]
    mistakes = []
    for variable in sorted(os.environ):
        first, nested, _ = variable.upper().removeprefix(ENV_PREFIX).lower().partition("__")
        if nested and variable.upper().startswith(ENV_PREFIX) and first not in sections:
            reason = f"environment variable {variable}: no such section{_suggestion(first, sections)}"
            mistakes.append((f"{ROOT}.{first}", reason))
    try:
        return EnvSettingsSource(_EnvironmentShape)(), mistakes
    except SettingsError as error:
        return {}, [*mistakes, (ROOT, f"environment: {error}; write {ENV_PREFIX}<SECTION>__<NAME>")]


def _own_mistake(detail: ErrorDetails) -> Mistake:
    where = [str(part) for part in detail["loc"]]
    name, variable = ".".join([ROOT, *where]), ENV_PREFIX + "__".join(where).upper()
    if detail["type"] == "extra_forbidden":
        names = [setting.name for setting in describe()]
        reason = "unknown setting" + _suggestion(name, names)
    else:
        reason = detail["msg"].removeprefix("Value error, ")
        value = detail["input"]
        if isinstance(value, str | int | float | None) and name not in SECRETS:
            reason += f", got {value!r:.60}"
    return name, reason + (f" (set by {variable})" if variable in {one.upper() for one in os.environ} else "")


def _suggestion(wrong: str, names: Iterable[str]) -> str:
    """`; did you mean ...?` for the name whose last part is nearest, if any is near."""
    by_last = {name.rpartition(".")[2]: name for name in names}
    near = get_close_matches(wrong.rpartition(".")[2], by_last, n=1)
    return f"; did you mean {by_last[near[0]]}?" if near else ""


def _is_section(name: str) -> bool:
    field = Ours.model_fields.get(name)
    return field is not None and isinstance(field.annotation, type) and issubclass(field.annotation, Section)


def _merged(lower: dict[str, Any], upper: dict[str, Any]) -> dict[str, Any]:
    """`upper` laid over `lower`, section by section."""
    result = dict(lower)
    for key, value in upper.items():
        below = result.get(key)
        result[key] = _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return result


# --- pygeoapi's part --------------------------------------------------------------------------------------------------


@cache
def _pygeoapi_schema() -> dict[str, Any]:
    from pygeoapi.config import load_schema

    schema: dict[str, Any] = load_schema()  # reading it takes 0.2 s
    return schema


def _pygeoapi_mistakes(rest: dict[str, Any]) -> list[Mistake]:
    """Every mistake by pygeoapi's schema, which itself lets unknown top keys pass: a misspelt `prismcube` must not."""
    from pygeoapi.util import to_json

    validator = Draft202012Validator(_pygeoapi_schema())
    known = [*_pygeoapi_schema()["properties"], ROOT]
    mistakes = [
        (key, f"unknown key{_suggestion(key, known)}")
        for key in rest
        if key not in known and not key.startswith("x-")  # the usual place for YAML anchors
    ]
    for error in sorted(validator.iter_errors(json.loads(to_json(rest))), key=lambda one: one.json_path):
        name = ".".join(str(part) for part in error.absolute_path)
        mistakes.append((name or "file", f"{error.message:.300}"))
    return mistakes
