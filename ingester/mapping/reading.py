"""Mapping files: YAML -> checked rules. The format: docs/reference/mapping.md and examples/*.yml.

Everything is checked before the first file is opened, and every mistake is reported at once with its dotted name.
"""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from ingester.mapping.checks import Checks
from ingester.mapping.collections import check_collection, check_variable
from ingester.mapping.contents import check_file, check_item
from ingester.mapping.rules import Mapping
from prismcube.errors import ConfigurationError

_SECTIONS: dict[str, type[dict[str, Any]] | type[list[Any]]] = {
    "variables": dict,
    "files": list,
    "items": list,
    "collections": dict,
}


def read_mapping(path: Path) -> Mapping:
    """A mapping from a YAML file. Raises ConfigurationError with every mistake."""
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506  a SafeLoader
    except OSError as error:
        raise ConfigurationError(str(path), [("file", str(error.strerror))]) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(str(path), [("file", "is not UTF-8 text")]) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigurationError(str(path), [("yaml", " ".join(str(error).split()) or "nested too deeply")]) from error
    except ValueError as error:  # a date such as 2020-13-01
        raise ConfigurationError(str(path), [("yaml", f"a value can't be read: {error}")]) from error
    return parse_mapping(document, source=str(path))


def parse_mapping(document: Any, *, source: str = "mapping") -> Mapping:
    """A mapping from a document. Raises ConfigurationError with every mistake."""
    checks = Checks()
    mapping = _mapping(checks, document)
    if checks.mistakes:
        raise ConfigurationError(source, checks.mistakes)
    return mapping


def _mapping(checks: Checks, document: Any) -> Mapping:
    sections: dict[str, Any] = {name: kind() for name, kind in _SECTIONS.items()}
    if not isinstance(document, dict):
        checks.wrong("mapping", f"must have the keys {', '.join(_SECTIONS)}")
        document = {}
    for key, value in document.items():
        if key not in sections:
            checks.wrong(str(key), f"unknown; a mapping has {', '.join(_SECTIONS)}")
        elif not isinstance(value, _SECTIONS[key]):
            checks.wrong(key, "must be a list" if _SECTIONS[key] is list else "must have names as keys")
        else:
            sections[key] = value
    for name, block in sections["variables"].items():
        checks.variables[name] = check_variable(checks, name, block)
    files = [check_file(checks, f"files.{number}", block) for number, block in enumerate(sections["files"])]
    items = [check_item(checks, f"items.{number}", block) for number, block in enumerate(sections["items"])]
    collections = [check_collection(checks, name, block) for name, block in sections["collections"].items()]
    return Mapping(
        variables={name: one for name, one in checks.variables.items() if one},
        files=tuple(rule for rule in files if rule),
        items=tuple(rule for rule in items if rule),
        collections=tuple(rule for rule in collections if rule),
    )


class _Loader(yaml.SafeLoader):
    """Safe, and refuses a key that is written twice, of which YAML would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == "tag:yaml.org,2002:merge":
                continue
            if key_node.value in seen:
                raise yaml.constructor.ConstructorError(
                    "in a mapping", node.start_mark, f"key {key_node.value!r} is written twice", key_node.start_mark
                )
            seen.add(key_node.value)
        return super().construct_mapping(node, deep=deep)
