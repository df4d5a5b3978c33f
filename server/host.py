"""pygeoapi as the host: its configuration, languages, page rendering and whatever resources its own file publishes.

Everything that is patched or read of pygeoapi's inside stands in this module; tests/unit/server/test_host.py holds it
against the installed version:

- `pygeoapi.flask_app` reads two files named by the environment at import; so it is imported here, once a process, with
  ours in place.
- `pygeoapi.util.render_j2_template` makes a Jinja environment and compiles every template anew on each request, 98 % of
  the time of an HTML page. It gets one environment for each list of template folders instead (`SharedEnvironment`).
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import yaml
from flask import Flask
from jinja2 import Environment, FileSystemLoader

from prismcube.errors import InvalidInput
from prismcube.model.access import Access
from providers.ogc.negotiate import by_preference

TEMPLATES = Path(__file__).parent / "templates"

_STOCK_PREFIXES = ("TileMatrixSets", "static")
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
        self.processes = frozenset(
            name for name, one in self.config["resources"].items() if one.get("type") == "process"
        )
        """Names of its processes; jobs of theirs are not listed: `/jobs` is the ledger's."""
        self._entries: list[dict[str, Any]] | None = None
        self._process_entries: list[dict[str, Any]] | None = None

    def answers(self, path: str, access: Access) -> bool:
        """True for paths that belong to pygeoapi's own resources, those of a collection if the caller may read it.

        To others, our own handlers answer as for a collection that does not exist.
        """
        if not self.config["resources"]:
            return False
        name = self.collection_of(path)
        if name is None:
            first, _, rest = path.strip("/").partition("/")
            return first in _STOCK_PREFIXES or (first == "processes" and rest.partition("/")[0] in self.processes)
        return name in self.collections and access.may_read(name)

    @staticmethod
    def collection_of(path: str) -> str | None:
        """The collection that a path lies in; None for other paths."""
        first, _, rest = path.strip("/").partition("/")
        return rest.partition("/")[0] if first == "collections" else None

    def entries(self) -> list[dict[str, Any]]:
        """The collection objects of pygeoapi's own collections by name, by its own code; treat as read-only.

        Made once: their file is read at start, and making one may open its data. Two threads that come first make the
        same list.
        """
        if self._entries is None:
            client = self.app.test_client()
            self._entries = [client.get(f"/collections/{name}?f=json").get_json() for name in sorted(self.collections)]
        return self._entries

    def process_entries(self) -> list[dict[str, Any]]:
        """The summaries of pygeoapi's own processes by name, as `entries`."""
        if self._process_entries is None:
            found = self.app.test_client().get("/processes?f=json").get_json() if self.processes else {}
            self._process_entries = sorted(found.get("processes", []), key=lambda one: str(one["id"]))
        return self._process_entries

    @property
    def languages(self) -> list[str]:
        """Tags of the languages that are configured; the first is that of who names none."""
        server = self.config["server"]
        return [str(one) for one in server.get("languages") or [server.get("language", "en-US")]]

    def check_language(self, lang: str | None) -> None:
        """Raises InvalidInput("lang", ...) for a language that isn't configured; a part such as `en` is enough."""
        languages = self.languages
        known = {tag.lower() for one in languages for tag in (one, one.partition("-")[0])}
        if lang is not None and lang.lower() not in known:
            raise InvalidInput("lang", f"{lang[:20]!r} is not one of {', '.join(languages)}")

    def metadata(self, language: Language) -> dict[str, Any]:
        """What the configuration says of the service, in one language."""
        from pygeoapi.l10n import translate_struct

        config: dict[str, Any] = translate_struct(self._api.tpl_config, self._locale(language), True)
        found: dict[str, Any] = config["metadata"]
        return found

    def page(self, template: str, data: Mapping[str, Any], language: Language) -> str:
        """One of our own pages (`server/templates`), rendered by pygeoapi with its configuration and translations."""
        from pygeoapi.util import render_j2_template

        folder, locale = {"path": str(TEMPLATES)}, self._locale(language)
        html: str = render_j2_template(self._api.tpl_config, folder, template, dict(data), locale)
        return html

    def tag_of(self, language: Language) -> str:
        """The language that a client gets, as headers name it: `en-US`."""
        return str(self._locale(language)).replace("_", "-")

    def _locale(self, language: Language) -> Any:
        """The configured language that fits best, the first when none does."""
        from pygeoapi.l10n import best_match

        wanted = [language.lang] if language.lang else [tag for tag in by_preference(language.accepted) if tag]
        return best_match(wanted, self._api.locales)


@dataclass(frozen=True)
class Language:
    """What a client says of the language it wants."""

    lang: str | None = None
    """The parameter; wins."""
    accepted: str = ""
    """The Accept-Language header."""


def _import_flask_app(config: Mapping[str, Any]) -> Any:
    import pygeoapi.util

    pygeoapi.util.Environment = SharedEnvironment.of
    with tempfile.TemporaryDirectory() as folder:
        config_file, openapi_file = Path(folder, "config.yml"), Path(folder, "openapi.json")
        config_file.write_text(yaml.safe_dump(json.loads(json.dumps(config, default=str))), encoding="utf-8")
        openapi_file.write_text("{}", encoding="utf-8")  # /openapi is ours
        os.environ["PYGEOAPI_CONFIG"], os.environ["PYGEOAPI_OPENAPI"] = str(config_file), str(openapi_file)
        from pygeoapi import flask_app
    return flask_app


class SharedEnvironment(Environment):
    """The one environment of a list of template folders; its compiled templates serve all requests and languages.

    pygeoapi sets the language on the environment, right before it renders: here that sets it for the running request
    alone.
    """

    _shared: ClassVar[dict[tuple[str, ...], SharedEnvironment]] = {}
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, loader: FileSystemLoader, **options: Any) -> None:
        # Templates are looked at again only when they are loaded the first time: a deployed file does not change.
        super().__init__(loader=loader, auto_reload=False, **options)
        translations: ContextVar[Any] = ContextVar("translations")
        self.globals["gettext"] = lambda text: translations.get().ugettext(text)
        self.globals["ngettext"] = lambda one, many, count: translations.get().ungettext(one, many, count)
        # Stands in the place of the method that the extension for translations adds to an environment.
        self.install_gettext_translations = translations.set

    @classmethod
    def of(cls, *, loader: FileSystemLoader, **options: Any) -> SharedEnvironment:
        """The environment for the loader's folders, made by the first who asks."""
        with cls._lock:
            key = tuple(loader.searchpath)
            if key not in cls._shared:
                cls._shared[key] = cls(loader, **options)
            return cls._shared[key]
