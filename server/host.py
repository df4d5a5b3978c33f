"""pygeoapi as the host: its configuration, languages, page rendering and whatever resources its own file publishes.

Everything that is patched or read of pygeoapi's inside stands in this module; tests/unit/server/test_host.py holds it
against the installed version:

- `pygeoapi.flask_app` reads two files named by the environment at import; so it is imported here, once a process, with
  ours in place.
- `pygeoapi.util.render_j2_template` makes a Jinja environment and compiles every template anew on each request, 98 % of
  the time of an HTML page. A bytecode cache given to each environment keeps what was compiled.
"""

from __future__ import annotations

import functools
import json
import os
import tempfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import yaml
from flask import Flask, Request
from jinja2 import BytecodeCache, Environment
from jinja2.bccache import Bucket

from prismcube.errors import InvalidInput

TEMPLATES = Path(__file__).parent / "templates"

_STOCK_PREFIXES = ("processes", "jobs", "TileMatrixSets", "static")
"""First parts of paths that are pygeoapi's own, served while its file publishes anything."""


class Host:
    """The stock server inside ours.

    `config` is pygeoapi's part of the settings; `url` the address it writes into its own links.
    """

    def __init__(self, config: Mapping[str, Any], *, url: str) -> None:
        # CORS is ours, for every answer (server.asgi): pygeoapi's would need another package and add its headers twice.
        self._module = _import_flask_app({**config, "server": {**config["server"], "url": url, "cors": False}})
        self._api = self._module.api_
        self.app: Flask = self._module.APP
        self.config: dict[str, Any] = self._api.config
        self.collections = frozenset(
            name for name, one in self.config["resources"].items() if one.get("type") == "collection"
        )
        """Names of the collections that pygeoapi publishes by itself, from its own file."""
        self._entries: list[dict[str, Any]] | None = None

    def answers(self, path: str) -> bool:
        """True for paths that belong to pygeoapi's own resources."""
        if not self.config["resources"]:
            return False
        first, _, rest = path.strip("/").partition("/")
        return rest.partition("/")[0] in self.collections if first == "collections" else first in _STOCK_PREFIXES

    def entries(self) -> list[dict[str, Any]]:
        """The collection objects of pygeoapi's own collections by name, by its own code; treat as read-only.

        Made once: their file is read at start, and making one may open its data. Two threads that come first make the
        same list.
        """
        if self._entries is None:
            client = self.app.test_client()
            self._entries = [client.get(f"/collections/{name}?f=json").get_json() for name in sorted(self.collections)]
        return self._entries

    def check_language(self, lang: str | None) -> None:
        """Raises InvalidInput("lang", ...) for a language that isn't configured; a part such as `en` is enough."""
        languages = self.config["server"].get("languages") or [self.config["server"].get("language", "en-US")]
        known = {tag.lower() for one in languages for tag in (str(one), str(one).partition("-")[0])}
        if lang is not None and lang.lower() not in known:
            raise InvalidInput("lang", f"{lang[:20]!r} is not one of {', '.join(map(str, languages))}")

    def page(self, template: str, data: Mapping[str, Any], request: Request) -> str:
        """One of our own pages (`server/templates`), rendered by pygeoapi with its configuration and translations."""
        from pygeoapi.util import render_j2_template

        locale = _api_request(request, self._api).locale
        html: str = render_j2_template(self._api.tpl_config, {"path": str(TEMPLATES)}, template, dict(data), locale)
        return html


def _api_request(request: Request, api: Any) -> Any:
    from pygeoapi.api import APIRequest

    return APIRequest.from_flask(request, api.locales)


def _import_flask_app(config: Mapping[str, Any]) -> Any:
    import pygeoapi.util

    pygeoapi.util.Environment = functools.partial(Environment, bytecode_cache=_MemoryCache())
    with tempfile.TemporaryDirectory() as folder:
        config_file, openapi_file = Path(folder, "config.yml"), Path(folder, "openapi.json")
        config_file.write_text(yaml.safe_dump(json.loads(json.dumps(config, default=str))), encoding="utf-8")
        openapi_file.write_text("{}", encoding="utf-8")  # /openapi is ours
        os.environ["PYGEOAPI_CONFIG"], os.environ["PYGEOAPI_OPENAPI"] = str(config_file), str(openapi_file)
        from pygeoapi import flask_app
    return flask_app


class _MemoryCache(BytecodeCache):
    """Compiled templates, kept in memory; Jinja checks by checksum that the source is still the same."""

    def __init__(self) -> None:
        self._code: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._code:
            bucket.load_bytecode(BytesIO(self._code[bucket.key]))

    def dump_bytecode(self, bucket: Bucket) -> None:
        stream = BytesIO()
        bucket.write_bytecode(stream)
        self._code[bucket.key] = stream.getvalue()
