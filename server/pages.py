"""The small answers, in Flask: landing, conformance, OpenAPI, collections, items, the viewer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
from flask import Blueprint, Flask, Response, redirect, request, send_from_directory
from werkzeug.exceptions import HTTPException

from prismcube.errors import CatalogueUnavailable, PrismcubeError
from providers.errors import MethodNotAllowed
from providers.ogc import items
from providers.ogc.answer import JSON, Answer, Context, link
from providers.ogc.collections import collection_document, collections_document
from providers.ogc.negotiate import choose_format
from providers.ogc.params import Query
from server.catalogue import CatalogueViews, Writers
from server.conformance import CONFORMANCE
from server.host import Host
from server.openapi import openapi_document
from server.problems import MEDIA_TYPE, problem, problem_of

LOG = logging.getLogger("prismcube.server")

STATIC = Path(__file__).parent / "static"
OPENAPI = "application/vnd.oai.openapi+json;version=3.0"
PAGE_FORMATS = {"json": JSON, "html": "text/html"}


class Pages:
    """The views of one worker. `public_url` is the API's address in links; None: as the request names it.

    `writers`: who may change `/catalogue`; `body_bytes`: of a request, at most.
    """

    def __init__(
        self, context: Context, host: Host, *, public_url: str | None, writers: Writers, body_bytes: int
    ) -> None:
        self._context = context
        self.body_bytes = body_bytes
        self.catalogue = CatalogueViews(
            context.catalogue, writers=writers, base=self._base, named=public_url is not None
        )
        self._host = host
        self._public_url = public_url

    def blueprint(self) -> Blueprint:
        pages = Blueprint("prismcube", __name__)
        routes: list[tuple[str, Callable[..., Any]]] = [
            ("/", self.landing),
            ("/conformance", self.conformance),
            ("/openapi", self.openapi),
            ("/collections", self.collections),
            ("/collections/<name>", self.collection),
            ("/collections/<name>/items", self.items),
            ("/collections/<name>/items/<key>", self.item),
            ("/viewer", self.viewer),
            ("/viewer/", self.viewer_folder),
            ("/viewer/<path:file>", self.viewer_file),
            ("/assets/<path:file>", self.asset),
        ]
        for rule, view in routes:
            pages.add_url_rule(rule, view.__name__, view, methods=["GET"])
        return pages

    def landing(self) -> Response:
        base = self._base()
        identification = self._host.config["metadata"]["identification"]
        document = {
            "title": identification["title"],
            "description": identification["description"],
            "links": [
                link(f"{base}/", "self", JSON, "This document"),
                link(f"{base}/?f=html", "alternate", "text/html", "As HTML"),
                link(f"{base}/openapi", "service-desc", OPENAPI, "The API as OpenAPI document"),
                link(f"{base}/conformance", "conformance", JSON, "Conformance classes"),
                link(f"{base}/collections", "data", JSON, "Collections"),
                link(f"{base}/viewer", "preview", "text/html", "Map viewer"),
                link(f"{base}/catalogue", "related", JSON, "Entities of the catalogue"),
            ],
        }
        return self._page("landing_page.html", document, listed=True)

    def conformance(self) -> Response:
        return self._page("conformance.html", {"conformsTo": list(CONFORMANCE)})

    def openapi(self) -> Response:
        query = Query(request.args.items(multi=True), known=("f",))
        choose_format(query.text("f"), "", {"json": OPENAPI})
        names = [one.name for one in self._context.catalogue.collections.list(limit=1)]
        document = openapi_document(
            base=self._base(), metadata=self._host.config["metadata"], example=names[0] if names else "s2-romania"
        )
        return _json(document, OPENAPI)

    def collections(self) -> Response:
        document = collections_document(self._context, list(request.args.items(multi=True)), base=self._base())
        document["collections"] += self._host.entries()
        return self._page("collections/index.html", document)

    def collection(self, name: str) -> Response:
        document = collection_document(self._context, name, list(request.args.items(multi=True)), base=self._base())
        return self._page("collections/collection.html", document)

    def items(self, name: str) -> Response:
        return _answer(items.items(self._context, name, list(request.args.items(multi=True)), base=self._base()))

    def item(self, name: str, key: str) -> Response:
        return _answer(items.item(self._context, name, key, list(request.args.items(multi=True)), base=self._base()))

    def viewer(self) -> Response:
        return send_from_directory(STATIC / "viewer", "index.html")

    def viewer_folder(self) -> Any:
        # The page's own links are relative to /viewer; under /viewer/ they would all miss.
        return redirect("../viewer", 308)

    def viewer_file(self, file: str) -> Response:
        return send_from_directory(STATIC / "viewer", file)

    def asset(self, file: str) -> Response:
        return send_from_directory(STATIC / "pages", file)

    def _base(self) -> str:
        return self._public_url or request.url_root.rstrip("/")

    def _page(self, template: str, document: Mapping[str, Any], *, listed: bool = False) -> Response:
        """The document as JSON, or as HTML when the client prefers that."""
        query = Query(request.args.items(multi=True), known=("f", "lang"))
        self._host.check_language(query.text("lang"))
        if choose_format(query.text("f"), request.headers.get("Accept", ""), PAGE_FORMATS) == "json":
            return _json(document)
        data = {**document, "base": self._base()}
        if listed:
            ours = collections_document(self._context, (), base=self._base())["collections"]
            data["collections"] = ours + self._host.entries()
        return Response(self._host.page(template, data, request), mimetype="text/html")


def flask_app(pages: Pages) -> Flask:
    """A Flask application whose every error is a problem document."""
    app = Flask("prismcube", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = pages.body_bytes
    app.register_blueprint(pages.blueprint())
    app.register_blueprint(pages.catalogue.blueprint())
    app.url_map.strict_slashes = False
    app.register_error_handler(PrismcubeError, _on_known_error)
    app.register_error_handler(HTTPException, _on_http_error)
    return app


def _on_known_error(error: PrismcubeError) -> Response:
    if isinstance(error, CatalogueUnavailable):
        LOG.error("%s: %s", request.path, error)
    status, body = problem_of(error)
    response = Response(body, status, content_type=MEDIA_TYPE)
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(error.allowed)
    return response


def _on_http_error(error: HTTPException) -> Response:
    if error.code is None or error.code < 400:
        return error.get_response()  # type: ignore[return-value]  # werkzeug's Response, Flask's parent class
    response = Response(problem(error.code, error.description or ""), error.code, content_type=MEDIA_TYPE)
    allowed = getattr(error, "valid_methods", None)
    if allowed:
        response.headers["Allow"] = ", ".join(sorted(allowed))
    return response


def _json(document: Any, media_type: str = JSON) -> Response:
    return Response(orjson.dumps(document), content_type=media_type)


def _answer(answer: Answer) -> Response:
    body = answer.body if isinstance(answer.body, bytes) else b"".join(answer.body.chunks())
    return Response(body, answer.status, headers=dict(answer.headers), content_type=answer.media_type)
