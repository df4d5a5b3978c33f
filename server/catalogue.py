"""`/catalogue` in Flask: views over `providers.catalogue`, and who may change it.

There is no authentication yet. So changes are taken where only this machine can reach the server, or where the settings
say in words that whoever reaches it may; and never from a page of another site that the user's browser has open.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, request

from config.settings import Settings
from config.tree import is_loopback
from prismcube.catalogue import Catalogue
from prismcube.errors import NotFound
from providers.catalogue import handlers, operations
from providers.catalogue.resources import RESOURCES
from providers.errors import Forbidden
from providers.ogc.answer import Answer
from providers.ogc.params import Query

READING = ("GET", "HEAD")


class CatalogueViews:
    """The views of one worker; `base` gives the address for links, which the settings name if `named`."""

    def __init__(self, catalogue: Catalogue, *, writers: Writers, base: Callable[[], str], named: bool) -> None:
        self._catalogue = catalogue
        self._writers = writers
        self._base = base
        self._named = named

    def blueprint(self) -> Blueprint:
        views = Blueprint("catalogue", __name__, url_prefix="/catalogue")
        views.before_request(self._check_write)
        add = views.add_url_rule
        add("", "overview", self.overview, methods=["GET"])
        add("/containers/layouts", "layouts", self.layouts, methods=["GET"])
        add("/layouts/tiles", "tiles", self.tiles, methods=["POST"])
        add("/grids/<key>/cells", "cells", self.cells, methods=["GET"])
        for path in operations.OPERATIONS:
            view = self._operation(path)
            add(f"/{path}", path.replace("/", "-"), view, methods=["POST"])
        add("/<name>", "page", self.page, methods=["GET"])
        add("/<name>", "create", self.create, methods=["POST"])
        add("/<name>/delete", "delete_many", self.delete_many, methods=["POST"])
        add("/<name>/<key>", "read", self.read, methods=["GET"])
        add("/<name>/<key>", "replace", self.replace, methods=["PUT"])
        add("/<name>/<key>", "patch", self.patch, methods=["PATCH"])
        add("/<name>/<key>", "delete", self.delete, methods=["DELETE"])
        return views

    def overview(self) -> Response:
        return respond(handlers.overview(_pairs(), base=self._base()))

    def page(self, name: str) -> Response:
        return respond(handlers.page(self._catalogue, name, _pairs(), base=self._base()))

    def read(self, name: str, key: str) -> Response:
        seen = request.headers.get("If-None-Match", "")
        return respond(handlers.read(self._catalogue, name, key, _pairs(), if_none_match=seen))

    def create(self, name: str) -> Response:
        kind = request.headers.get("Content-Type", "")
        return respond(handlers.create(self._catalogue, name, request.get_data(), content_type=kind, base=self._base()))

    def replace(self, name: str, key: str) -> Response:
        return respond(handlers.replace(self._catalogue, name, key, request.get_data(), **_conditions()))

    def patch(self, name: str, key: str) -> Response:
        return respond(handlers.patch(self._catalogue, name, key, request.get_data(), **_conditions()))

    def delete(self, name: str, key: str) -> Response:
        return respond(handlers.delete(self._catalogue, name, key, if_match=request.headers.get("If-Match", "")))

    def delete_many(self, name: str) -> Response:
        kind = request.headers.get("Content-Type", "")
        return respond(operations.delete_many(self._catalogue, name, request.get_data(), content_type=kind))

    def layouts(self) -> Response:
        return respond(operations.layouts(self._catalogue, _pairs()))

    def cells(self, key: str) -> Response:
        return respond(operations.cells(self._catalogue, key, _pairs()))

    def tiles(self) -> Response:
        kind = request.headers.get("Content-Type", "")
        found = operations.tiles(self._catalogue, request.get_data(), content_type=kind)
        return Response(found, mimetype=operations.SEQUENCE)

    def _operation(self, path: str) -> Callable[[], Response]:
        def view() -> Response:
            kind = request.headers.get("Content-Type", "")
            return respond(operations.run(self._catalogue, path, request.get_data(), content_type=kind))

        return view

    def _check_write(self) -> None:
        name = (request.view_args or {}).get("name")
        if name is not None and name not in RESOURCES:
            raise NotFound("kind of entity", name[:60])
        if request.method in READING:
            return
        Query(_pairs(), known=())  # these take none
        if request.endpoint == "catalogue.tiles":
            return
        if self._writers is Writers.NOBODY:
            raise Forbidden(
                "the catalogue is only read here: others than this machine may reach the server, and there is no "
                "authentication yet; an operator may set prismcube.serve.writable"
            )
        _check_origin(request.headers.get("Origin"), self._base(), named=self._named)


class Writers(StrEnum):
    """Who may change the catalogue over HTTP."""

    NOBODY = "nobody"
    THIS_MACHINE = "this machine"
    EVERYBODY = "everybody"  # who reaches the port

    @classmethod
    def of(cls, settings: Settings) -> Writers:
        if is_loopback(settings.serve.host) and settings.serve.public_url is None:
            return cls.THIS_MACHINE
        return cls.EVERYBODY if settings.serve.writable else cls.NOBODY


def _check_origin(origin: str | None, base: str, *, named: bool) -> None:
    """Refuse a request that a page of another site has made; browsers name the page's site in `Origin`.

    A site whose name was made to point to this machine (DNS rebinding) names itself in `Host` as well, from which
    `base` is made unless the settings have a name (`named`): without one, only addresses and `localhost` will do.
    Raises Forbidden.
    """
    if origin is None:
        return
    own = urlsplit(base)
    if origin != f"{own.scheme}://{own.netloc}" or not (named or _is_address(own.hostname or "")):
        raise Forbidden(f"changes are not taken from pages of {origin[:100]}")


def _is_address(host: str) -> bool:
    """True for addresses and `localhost`, which no site can call its own name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host.lower() == "localhost"
    return True


def respond(answer: Answer) -> Response:
    """An answer whose body is at hand."""
    if not isinstance(answer.body, bytes):
        raise TypeError("answers in files are sent by the pixel routes")
    return Response(answer.body, answer.status, headers=dict(answer.headers), content_type=answer.media_type)


def _pairs() -> list[tuple[str, str]]:
    return list(request.args.items(multi=True))


def _conditions() -> dict[str, Any]:
    return {"content_type": request.headers.get("Content-Type", ""), "if_match": request.headers.get("If-Match", "")}
