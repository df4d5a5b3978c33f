"""`/catalogue` in Flask: views over `providers.catalogue`, and who may change it.

It names the files of the archive, and a collection can be defined over any of them. So all of it needs the scope
`write`, and that no rule hides a collection from the caller; what he may change there, the rules say
(docs/adr/0005-who-reads-what.md). Pages of other sites that a browser has open change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from flask import Blueprint, Response, request

from prismcube.catalogue import Catalogue
from prismcube.errors import NotFound
from prismcube.model.access import Access
from providers.catalogue import handlers, operations
from providers.catalogue.resources import RESOURCES
from providers.errors import Forbidden, refused
from providers.ogc.answer import JSON, Answer
from providers.ogc.params import Query
from providers.ogc.validators import has_tag
from server.access import VARY, access_of
from server.origin import check_origin

READING = ("GET", "HEAD")
HTML = "text/html"


class Shown(Protocol):
    """Gives a document as JSON, or as the page of a template, as the request at hand prefers."""

    def __call__(self, template: str, document: Mapping[str, Any], *, formats: Mapping[str, str]) -> Answer: ...


class CatalogueViews:
    """The views of one worker.

    `base` gives the address for links, which the settings name if `named`; `shown` a document as JSON or as a page.
    """

    def __init__(self, catalogue: Catalogue, *, base: Callable[[], str], named: bool, shown: Shown) -> None:
        self._catalogue = catalogue
        self._base = base
        self._named = named
        self._shown = shown

    def blueprint(self) -> Blueprint:
        views = Blueprint("catalogue", __name__, url_prefix="/catalogue")
        views.before_request(self._check)
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
        return self._read(handlers.overview(_pairs(), base=self._base()), "catalogue/index.html")

    def page(self, name: str) -> Response:
        return self._read(handlers.page(self._catalogue, name, _pairs(), base=self._base()), "catalogue/list.html")

    def read(self, name: str, key: str) -> Response:
        return self._read(handlers.read(self._catalogue, name, key, _pairs()), "catalogue/entity.html")

    def create(self, name: str) -> Response:
        kind = request.headers.get("Content-Type", "")
        sent = request.get_data()
        return respond(
            handlers.create(self._catalogue, name, sent, content_type=kind, base=self._base(), access=_access())
        )

    def replace(self, name: str, key: str) -> Response:
        return respond(handlers.replace(self._catalogue, name, key, request.get_data(), **_conditions()))

    def patch(self, name: str, key: str) -> Response:
        return respond(handlers.patch(self._catalogue, name, key, request.get_data(), **_conditions()))

    def delete(self, name: str, key: str) -> Response:
        seen = request.headers.get("If-Match", "")
        return respond(handlers.delete(self._catalogue, name, key, if_match=seen, access=_access()))

    def delete_many(self, name: str) -> Response:
        kind = request.headers.get("Content-Type", "")
        body = request.get_data()
        return respond(operations.delete_many(self._catalogue, name, body, content_type=kind, access=_access()))

    def layouts(self) -> Response:
        return self._read(operations.layouts(self._catalogue, _pairs()), "document.html")

    def cells(self, key: str) -> Response:
        return self._read(
            operations.cells(self._catalogue, key, _pairs()), "features.html", media_type=operations.GEOJSON
        )

    def tiles(self) -> Response:
        kind = request.headers.get("Content-Type", "")
        found = operations.tiles(self._catalogue, request.get_data(), content_type=kind)
        return Response(found, mimetype=operations.SEQUENCE)

    def _read(self, document: Mapping[str, Any], template: str, *, media_type: str = JSON) -> Response:
        """The document in the form that the client prefers; 304 when he has it."""
        answer = self._shown(template, document, formats={"json": media_type, "html": HTML})
        tag = answer.etag
        if answer.media_type == media_type:  # a page is never sent back with If-Match
            tag = getattr(document, "headers", {}).get("ETag", tag)
        headers = {**answer.headers, "ETag": tag, "Vary": f"Accept, Accept-Language, {VARY}"}
        if has_tag(request.headers.get("If-None-Match", ""), tag):
            return respond(Answer(b"", status=304, headers=headers))
        return respond(replace(answer, headers=headers))

    def _operation(self, path: str) -> Callable[[], Response]:
        def view() -> Response:
            kind = request.headers.get("Content-Type", "")
            body = request.get_data()
            return respond(operations.run(self._catalogue, path, body, content_type=kind, access=_access()))

        return view

    def _check(self) -> None:
        _check_access(_access())
        name = (request.view_args or {}).get("name")
        if name is not None and name not in RESOURCES:
            raise NotFound("kind of entity", name[:60])
        if request.method in READING:
            return
        Query(_pairs(), known=())  # these take none
        if request.endpoint == "catalogue.tiles":
            return
        check_origin(request.environ["asgi.scope"]["headers"], self._base(), named=self._named)


def _access() -> Access:
    return access_of(request.environ["asgi.scope"])


def _check_access(access: Access) -> None:
    """Refuse whoever may not see the catalogue at all. Raises Forbidden, Unauthorized."""
    if not access.may_change:
        if access.is_anonymous and not access.may_identify:
            raise Forbidden(
                "the catalogue is for this machine only, since others may reach the server and no keys are asked for; "
                "an operator may set prismcube.access, or prismcube.serve.writable"
            )
        raise refused(access, "the catalogue names the files of the archive; it needs the scope write")
    if not access.reads_everything:
        raise refused(access, "the catalogue is for those from whom no collection is hidden")


def respond(answer: Answer) -> Response:
    """An answer whose body is at hand."""
    if not isinstance(answer.body, bytes):
        raise TypeError("answers in files are sent by the pixel routes")
    kept = {"Cache-Control": "private, no-cache", "Vary": VARY}  # it names files
    return Response(answer.body, answer.status, headers={**kept, **answer.headers}, content_type=answer.media_type)


def _pairs() -> list[tuple[str, str]]:
    return list(request.args.items(multi=True))


def _conditions() -> dict[str, Any]:
    sent = {"content_type": request.headers.get("Content-Type", ""), "if_match": request.headers.get("If-Match", "")}
    return {**sent, "access": _access()}
