"""The small answers, in Flask: landing, conformance, OpenAPI, collections, items, the viewer."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
from flask import Blueprint, Flask, Response, redirect, request, send_from_directory
from werkzeug.exceptions import HTTPException

from prismcube.errors import CatalogueUnavailable, PrismcubeError, SourceError
from prismcube.model.access import Access
from providers.errors import MethodNotAllowed
from providers.ogc.answer import JSON, REL, Answer, Context, Request, link
from providers.ogc.listing import collections_document
from providers.ogc.negotiate import choose_format
from providers.ogc.params import Query
from server.access import access_of
from server.catalogue import CatalogueViews
from server.conformance import CONFORMANCE
from server.definition import Definition
from server.documents import Place, page_data
from server.edge.facts import facts_of
from server.host import Host, Language
from server.kept import Kept
from server.openapi import MEDIA_TYPE as OPENAPI
from server.openapi_page import operations_by_tag
from server.operation import HTML, Operation
from server.origin import check_origin
from server.problems import MEDIA_TYPE, problem, problem_of
from server.responses import etag_of, head
from server.routes import DOCUMENTS, by_handler
from server.routes_processes import ACTIONS

LOG = logging.getLogger("prismcube.server")

STATIC = Path(__file__).parent / "static"
PAGE_FORMATS = {"json": JSON, "html": HTML}
ANY_DOCUMENT = "document.html"
"""The template that shows whatever document has none of its own."""
HASHED = re.compile(r"[.-][0-9a-f]{8,}\.[a-z0-9]+$")
"""Ends the name of a file that has a hash of its content in it, as bundlers name them."""
HOUR = 3600
DAY = 24 * HOUR
ON_LANDING_PAGE = 12
"""Collections; the page links to the list of all."""


class Pages:
    """The views of one worker. `public_url` is the API's address where the settings name one.

    `body_bytes`: of a request, at most.
    """

    def __init__(self, context: Context, host: Host, *, public_url: str | None, body_bytes: int) -> None:
        self._context = context
        self._named = public_url is not None
        self.body_bytes = body_bytes
        self.catalogue = CatalogueViews(
            context.catalogue, base=self._base, named=public_url is not None, shown=self._page
        )
        self._host = host
        self._definition = Definition()
        self._kept = Kept()

    def blueprint(self) -> Blueprint:
        pages = Blueprint("prismcube", __name__)
        routes: list[tuple[str, Callable[..., Any]]] = [
            ("/", self.landing),
            ("/conformance", self.conformance),
            ("/openapi", self.openapi),
            ("/login", self.login),
            ("/viewer", self.viewer),
            ("/viewer/", self.viewer_folder),
            ("/viewer/<path:file>", self.viewer_file),
            ("/assets/<path:file>", self.asset),
        ]
        for rule, view in routes:
            pages.add_url_rule(rule, view.__name__, view, methods=["GET"])
        for one in DOCUMENTS:
            pages.add_url_rule(by_handler(one.path, "<>"), one.path, self._document(one), methods=["GET"])
        for one in ACTIONS:
            name = f"{one.methods[0]} {one.path}"
            pages.add_url_rule(by_handler(one.path, "<>"), name, self._action(one), methods=one.methods)
        return pages

    def landing(self) -> Response:
        return self._sent(self._keep(self._landing))

    def _landing(self) -> Answer:
        Query(_pairs(), known=("f", "lang"))
        base = self._base()
        identification = self._host.metadata(self._language())["identification"]
        document = {
            "title": identification["title"],
            "description": identification["description"],
            "links": [
                link(f"{base}/", "self", JSON, "This document"),
                link(f"{base}/?f=html", "alternate", HTML, "As HTML"),
                link(f"{base}/openapi", "service-desc", OPENAPI, "The API as OpenAPI document"),
                link(f"{base}/openapi?f=html", "service-doc", HTML, "The API for people"),
                link(f"{base}/conformance", "conformance", JSON, "Conformance classes"),
                link(f"{base}/collections", "data", JSON, "Collections"),
                link(f"{base}/tileMatrixSets", f"{REL}tiling-schemes", JSON, "Tile matrix sets"),
                link(f"{base}/viewer", "preview", HTML, "Map viewer"),
                link(f"{base}/processes", f"{REL}processes", JSON, "Processes"),
                link(f"{base}/jobs", f"{REL}job-list", JSON, "Jobs"),
                link(f"{base}/catalogue", "related", JSON, "Entities of the catalogue"),
            ],
        }
        return self._page("landing_page.html", document, more=self._shown)

    def _shown(self) -> dict[str, Any]:
        """The first collections; as many as the landing page shows, however many there are."""
        first = Request(query=[("limit", str(ON_LANDING_PAGE))], base=self._base())
        found = collections_document(self._seen(), first)
        return {"collections": found["collections"], "more": any(one["rel"] == "next" for one in found["links"])}

    def conformance(self) -> Response:
        Query(_pairs(), known=("f", "lang"))
        return self._sent(self._page("conformance.html", {"conformsTo": list(CONFORMANCE)}))

    def openapi(self) -> Response:
        Query(_pairs(), known=("f", "lang"))
        seen = self._seen()
        metadata = self._host.metadata(self._language())
        language = self._host.languages[0]
        document = self._definition.document(seen, base=self._base(), metadata=metadata, language=language)
        answer = self._page(
            "openapi.html",
            document,
            formats={"json": OPENAPI, "html": HTML},
            more=lambda: {"tags_shown": operations_by_tag(document)},
        )
        return self._sent(answer)

    def login(self) -> Response:
        """Where a browser is asked for a key (server.authentication); back to the landing page with it."""
        return redirect(f"{self._base()}/", 303)  # type: ignore[return-value]  # werkzeug's Response

    def _document(self, operation: Operation) -> Callable[..., Response]:
        """The view of a document: JSON, or the page of its template."""

        def view(**path: str) -> Response:
            def make() -> Answer:
                document = operation.handler(self._seen(), self._request(), **path)
                if isinstance(document, Answer):
                    return document
                answer = self._page(operation.template or ANY_DOCUMENT, document, formats=operation.formats)
                headers = {**answer.headers, **getattr(document, "headers", {})}
                return replace(answer, headers=headers, keep=operation.keep)

            return self._sent(self._keep(make) if operation.is_kept else make())

        return view

    def _action(self, operation: Operation) -> Callable[..., Response]:
        """The view of what changes something: not for pages of other sites."""

        def view(**path: str) -> Response:
            check_origin(request.environ["asgi.scope"]["headers"], self._base(), named=self._named)
            return self._sent(operation.handler(self._seen(), self._request(), **path))

        return view

    def _keep(self, make: Callable[[], Answer]) -> Answer:
        """The answer to this request, made anew only after a change in the catalogue."""
        headers = tuple(request.headers.get(name, "") for name in ("Accept", "Accept-Language"))
        key = (request.path, *headers, self._base(), self._access(), tuple(_pairs()))
        return self._kept.get(key, self._context.catalogue.outbox.last(), make)

    def _seen(self) -> Context:
        """The context with what the caller may do."""
        return replace(self._context, access=self._access())

    def _access(self) -> Access:
        return access_of(request.environ["asgi.scope"])

    def _request(self) -> Request:
        return Request(query=_pairs(), accept=request.headers.get("Accept", ""), base=self._base())

    def viewer(self) -> Response:
        return send_from_directory(STATIC / "viewer", "index.html", max_age=None)  # asked for again each time

    def viewer_folder(self) -> Any:
        # The page's own links are relative to /viewer; under /viewer/ they would all miss.
        return redirect("../viewer", 308)

    def viewer_file(self, file: str) -> Response:
        return _static("viewer", file)

    def asset(self, file: str) -> Response:
        return _static("pages", file)

    def _base(self) -> str:
        return facts_of(request.environ["asgi.scope"]).base

    def _language(self) -> Language:
        """Raises InvalidInput for a language that isn't configured."""
        lang = request.args.get("lang")
        self._host.check_language(lang)
        return Language(lang, request.headers.get("Accept-Language", ""))

    def _page(
        self,
        template: str,
        document: Mapping[str, Any],
        *,
        formats: Mapping[str, str] = PAGE_FORMATS,
        more: Callable[[], Mapping[str, Any]] = dict,
    ) -> Answer:
        """The document as JSON, or as HTML when the client prefers that; `more` is what only the page shows."""
        language = self._language()
        spoken = {"Content-Language": self._host.tag_of(language)}
        chosen = choose_format(request.args.get("f"), request.headers.get("Accept", ""), formats)
        if chosen != "html":
            body = orjson.dumps(document)
            return Answer(body, formats[chosen], headers=spoken, etag=_timeless(document) or etag_of(body))
        place = Place(base=self._base(), path=request.path, query=_pairs(), media_type=next(iter(formats.values())))
        html = self._host.page(template, {**page_data(document, place), **more()}, language)
        body = html.encode()
        return Answer(body, f"{HTML}; charset=utf-8", headers=spoken, etag=etag_of(body))

    def _sent(self, answer: Answer) -> Response:
        """An answer whose body is at hand, or 304 when the client has it."""
        seen = request.headers.get("If-None-Match", "")
        status, headers = head(answer, if_none_match=seen, access=self._access(), has_languages=True)
        body = answer.body if isinstance(answer.body, bytes) and status != 304 else b""
        response = Response(body, status)
        response.headers.pop("Content-Type", None)
        response.headers.update(headers)
        return response


def _timeless(document: Mapping[str, Any]) -> str:
    """A weak validator of a document that tells when it was made; empty for others, whose bytes have one."""
    if "timeStamp" not in document:
        return ""
    return f"W/{etag_of(orjson.dumps({name: one for name, one in document.items() if name != 'timeStamp'}))}"


def _static(folder: str, file: str) -> Response:
    """A file that came with the program, with ETag and Last-Modified; kept for good when its name tells its content."""
    is_hashed = HASHED.search(file) is not None
    response = send_from_directory(STATIC / folder, file, max_age=365 * DAY if is_hashed else HOUR)
    response.headers.pop("Expires", None)  # says the same, and differs each second
    if is_hashed:
        response.cache_control.immutable = True
    return response


def _pairs() -> list[tuple[str, str]]:
    return list(request.args.items(multi=True))


def flask_app(pages: Pages) -> Flask:
    """A Flask application whose every error is a problem document."""
    app = Flask("prismcube", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = pages.body_bytes
    app.url_map.strict_slashes = False  # before any rule: a rule takes it over when it is added
    app.register_blueprint(pages.blueprint())
    app.register_blueprint(pages.catalogue.blueprint())
    app.register_error_handler(PrismcubeError, _on_known_error)
    app.register_error_handler(HTTPException, _on_http_error)
    return app


def _on_known_error(error: PrismcubeError) -> Response:
    if isinstance(error, CatalogueUnavailable | SourceError):
        LOG.error("%s: %s", request.path, error)
    status, body = problem_of(error)
    response = Response(body, status, headers={"Cache-Control": "no-store"}, content_type=MEDIA_TYPE)
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(error.allowed)
    return response


def _on_http_error(error: HTTPException) -> Response:
    if error.code is None or error.code < 400:
        return error.get_response()  # type: ignore[return-value]  # werkzeug's Response, Flask's parent class
    body = problem(error.code, error.description or "")
    response = Response(body, error.code, headers={"Cache-Control": "no-store"}, content_type=MEDIA_TYPE)
    allowed = getattr(error, "valid_methods", None)
    if allowed:
        response.headers["Allow"] = ", ".join(sorted(allowed))
    return response
