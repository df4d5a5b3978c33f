"""Requests on any entity of the catalogue.

Reading gives an ETag; a change with If-Match happens only while it still is the entity's (RFC 9110, 13.1.1): both are
asked within the transaction of the change. PATCH takes a JSON merge patch (RFC 7396).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import orjson
from pydantic import TypeAdapter, ValidationError

from prismcube.catalogue import Catalogue, Repositories, UnitOfWork
from prismcube.catalogue.references import Deletion
from prismcube.errors import Conflict, InvalidInput, NotFound
from prismcube.model.access import FULL, Access
from prismcube.model.period import format_instant, parse_instant
from prismcube.model.text import check_text
from providers.catalogue.filters import Filters
from providers.catalogue.resource import Resource
from providers.catalogue.resources import RESOURCES
from providers.errors import PreconditionFailed, UnsupportedMediaType, refused
from providers.ogc.answer import JSON, Answer, Document, link
from providers.ogc.params import Query

MERGE_PATCH = "application/merge-patch+json"
READ = ("f", "lang")
"""Parameters of whatever is read; the server chooses format and language by them."""
PAGES = (*READ, "limit", "after")
DEFAULT_LIMIT, MOST = 100, 1000
TRIES = 5
"""Of a merge patch while others change the entity."""
MOST_AT_ONCE = 10_000
"""Records in one request."""


def resource_of(name: str) -> Resource[Any, Any]:
    """Raises NotFound."""
    if name not in RESOURCES:
        raise NotFound("kind of entity", name[:60])
    return RESOURCES[name]


def overview(pairs: Sequence[tuple[str, str]], *, base: str) -> dict[str, Any]:
    """The kinds of entities."""
    Query(pairs, known=READ)
    kinds = [
        {"name": name, "description": (one.model.__doc__ or "").partition("\n")[0], "href": f"{base}/catalogue/{name}"}
        for name, one in RESOURCES.items()
    ]
    links = [link(f"{base}/catalogue", "self", JSON, "This document")]
    return {"title": "Catalogue", "entities": kinds, "links": links}


def page(catalogue: Catalogue, name: str, pairs: Sequence[tuple[str, str]], *, base: str) -> dict[str, Any]:
    """A page of entities; `next` leads to the following one. Raises NotFound, InvalidInput, UnknownParameter."""
    one = resource_of(name)
    query = Query(pairs, known=(*PAGES, *one.filters), repeatable=("tags",))
    limit = query.integer("limit", least=1, most=MOST) or DEFAULT_LIMIT
    cursor = query.text("after")
    after = None if cursor is None else _parse_cursor(cursor, one.order)
    with catalogue.snapshot() as of:
        found = one.page(of, Filters(query, pairs), after=after, limit=limit + 1)
        entities = one.documents(of, found[:limit])
        following_key = one.cursor(of, found[limit - 1]) if len(found) > limit else None
    document: dict[str, Any] = {
        "entities": entities,
        "links": [link(f"{base}/catalogue/{name}{_with(pairs)}", "self", JSON, "This page")],
    }
    if following_key is not None:
        document["after"] = _cursor(following_key)
        following = [*(pair for pair in pairs if pair[0] != "after"), ("after", document["after"])]
        document["links"].append(link(f"{base}/catalogue/{name}{_with(following)}", "next", JSON, "Next page"))
    return document


def read(catalogue: Catalogue, name: str, key: str, pairs: Sequence[tuple[str, str]]) -> Document:
    """One entity, with its ETag. Raises NotFound, UnknownParameter."""
    Query(pairs, known=READ)
    one = resource_of(name)
    with catalogue.snapshot() as of:
        document = entity_document(one, of, one.get(of, one.parse_key(key)))
    return Document(document, headers={"ETag": etag_of(document)})


def create(
    catalogue: Catalogue, name: str, body: bytes, *, content_type: str, base: str, access: Access = FULL
) -> Answer:
    """Store a new entity; a list of records stores all of them or none.

    Raises InvalidInput, NotFound for what it refers to, Conflict when it exists, Forbidden.
    """
    one = resource_of(name)
    check_change(access, name)
    check_type(content_type, (JSON,))
    if one.creates_many and body.lstrip()[:1] == b"[":
        models = parse(list[one.model], body)  # type: ignore[name-defined]  # a type made at run time
        if len(models) > MOST_AT_ONCE:
            raise InvalidInput("body", f"has {len(models):,} records, at most {MOST_AT_ONCE:,} are allowed")
        with catalogue.transaction() as unit:
            stored = one.create_many(unit, models)
        return Answer(orjson.dumps({"ids": [entity.id for entity in stored]}), status=201)
    model = parse(one.model, body)
    check_change(access, name, getattr(model, "name", None))
    wanted = one.prepare(catalogue, model)
    with catalogue.transaction() as unit:
        entity = one.create(unit, wanted)
        document = entity_document(one, unit, one.get(unit, one.key(entity)))
    headers = {"Location": f"{base}/catalogue/{name}/{document['id']}", "ETag": etag_of(document)}
    return json_answer_with(document, headers, status=201)


def replace(
    catalogue: Catalogue,
    name: str,
    key: str,
    body: bytes,
    *,
    content_type: str,
    if_match: str = "",
    access: Access = FULL,
) -> Answer:
    """Replace an entity.

    Raises NotFound, InvalidInput, Conflict for what can't change, PreconditionFailed, Forbidden.
    """
    check_change(access, name, key)
    check_type(content_type, (JSON,))
    return _change(catalogue, name, key, body, if_match=if_match, merge=False)


def patch(
    catalogue: Catalogue,
    name: str,
    key: str,
    body: bytes,
    *,
    content_type: str,
    if_match: str = "",
    access: Access = FULL,
) -> Answer:
    """Change some members of an entity. Raises as `replace` does."""
    check_change(access, name, key)
    check_type(content_type, (MERGE_PATCH, JSON))
    return _change(catalogue, name, key, body, if_match=if_match, merge=True)


def delete(catalogue: Catalogue, name: str, key: str, *, if_match: str = "", access: Access = FULL) -> Answer:
    """Remove an entity. Raises NotFound, Conflict when something refers to it, PreconditionFailed, Forbidden."""
    check_change(access, name, key)
    one = resource_of(name)
    id = one.parse_key(key)

    def check(unit: UnitOfWork) -> None:
        _check_match(if_match, entity_document(one, unit, one.get(unit, id)))

    one.remove(catalogue, [id], keep_referenced=False, check=check)
    return Answer(b"", status=204)


def delete_many(catalogue: Catalogue, name: str, keys: Sequence[int | str], *, keep_referenced: bool) -> Deletion:
    """Remove entities, all or none; with `keep_referenced` those that can be. Raises as `delete` does."""
    one = resource_of(name)
    return one.remove(catalogue, [one.parse_key(str(key)) for key in keys], keep_referenced=keep_referenced)


def check_change(access: Access, kind: str, *names: str | None) -> None:
    """Refuse a caller who may not change these collections, or any entity of another kind.

    Other kinds are shared by all collections: whoever changes them must be allowed to change everything.
    Raises Forbidden.
    """
    if kind != "collections":
        if not access.writes_everything:
            raise refused(access, f"{kind} are shared by all collections, and not all are yours to change")
        return
    for name in names:
        if name is not None and not access.may_write(name):
            raise refused(access, f"collection {name[:100]!r} is not yours to change")


def entity_document(one: Resource[Any, Any], of: Repositories, entity: Any) -> dict[str, Any]:
    """All that is told of an entity."""
    [document] = one.documents(of, [entity])
    return document


def etag_of(document: Mapping[str, Any]) -> str:
    """A strong validator of a document (RFC 9110, 8.8.3)."""
    return f'"{hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]}"'


def json_answer_with(document: Any, headers: Mapping[str, str], *, status: int = 200) -> Answer:
    return Answer(orjson.dumps(document), status=status, headers=headers)


def parse(kind: Any, body: bytes) -> Any:
    """A document of that model. Raises InvalidInput, naming the member."""
    try:
        return TypeAdapter(kind).validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        raise InvalidInput(where, first["msg"]) from error


def _change(catalogue: Catalogue, name: str, key: str, body: bytes, *, if_match: str, merge: bool) -> Answer:
    one = resource_of(name)
    id = one.parse_key(key)
    given = _parse_object(body) if merge else parse(one.model, body)
    for _ in range(TRIES):
        based_on = one.document(catalogue, one.get(catalogue, id)) if merge else None
        model = parse(one.model, orjson.dumps(_merged(based_on, given))) if merge else given
        wanted = one.prepare(catalogue, model)
        with catalogue.transaction() as unit:
            status = 200
            try:
                stored = one.get(unit, id)
                before = entity_document(one, unit, stored)
            except NotFound:
                if one.creates or merge:
                    raise
                before, status = {}, 201
            _check_match(if_match, before)
            if merge and one.document(unit, stored) != based_on:
                continue  # somebody has changed it since: merge again
            one.replace(unit, id, wanted)
            document = entity_document(one, unit, one.get(unit, id))
        return json_answer_with(document, {"ETag": etag_of(document)}, status=status)
    raise Conflict(one.kind, key, "others change it all the time; try again")


def _check_match(if_match: str, document: Mapping[str, Any]) -> None:
    if not if_match:
        return
    if (if_match.strip() == "*" and document) or (document and etag_of(document) in _tags(if_match)):
        return
    raise PreconditionFailed("it has changed since it was read; read it again")


def _tags(header: str) -> list[str]:
    return [part.strip() for part in header.split(",")]


def check_type(content_type: str, known: Sequence[str]) -> None:
    # Strict also because a page of another site may send forms and plain text to us, but JSON only if we let it.
    if content_type.partition(";")[0].strip().lower() not in known:
        raise UnsupportedMediaType(f"send {' or '.join(known)}, not {content_type[:60] or 'nothing'!r}")


def _parse_object(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidInput("body", f"is not JSON ({error})") from error
    if not isinstance(document, dict):
        raise InvalidInput("body", "must be a JSON object")
    return document


def _merged(target: Any, patch: Any) -> Any:
    """RFC 7396, 2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merged(result.get(name), value)
    return result


def _cursor(key: tuple[Any, ...]) -> str:
    told = [{"t": format_instant(part)} if isinstance(part, datetime) else part for part in key]
    return base64.urlsafe_b64encode(orjson.dumps(told)).decode().rstrip("=")


def _parse_cursor(text: str, order: Sequence[str]) -> tuple[Any, ...]:
    try:
        told = orjson.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        return tuple(_part(name, part) for name, part in zip(order, told, strict=True))
    except (binascii.Error, ValueError, KeyError, TypeError, InvalidInput) as error:
        raise InvalidInput("after", "is not the cursor of a `next` link of this list") from error


def _part(name: str, told: Any) -> Any:
    """A value of a column that a list is sorted by."""
    if name == "time":
        return parse_instant(told["t"])
    if not isinstance(told, int if name == "id" else str) or isinstance(told, bool):
        raise ValueError(told)
    if isinstance(told, int) and abs(told) >= 2**63:
        raise ValueError(told)
    if isinstance(told, str):
        check_text("after", told)
    return told


def _with(pairs: Sequence[tuple[str, str]]) -> str:
    return f"?{urlencode(pairs)}" if pairs else ""
