"""API keys: made once, looked up by each request that shows one."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from prismcube.catalogue.engine import Session
from prismcube.catalogue.tables import api_key
from prismcube.errors import Conflict, NotFound
from prismcube.model.access import Scope
from prismcube.model.keys import ID_BYTES, SECRET_BYTES, ApiKey, digest_of, with_lower, written
from prismcube.model.period import utc

ALL = select(api_key).order_by(api_key.c.name)
BY_NAME = select(api_key).where(api_key.c.name == bindparam("key"))
BY_PUBLIC = select(api_key).where(api_key.c.public == bindparam("key"))
INSERT = insert(api_key).returning(api_key.c.id)
REVOKE = update(api_key).where(api_key.c.name == bindparam("key"), api_key.c.revoked.is_(None))
USED = update(api_key).where(api_key.c.public == bindparam("key"))
DELETE = delete(api_key).where(api_key.c.name == bindparam("key"))


class Keys:
    """The repository of API keys."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def create(
        self,
        name: str,
        *,
        scopes: Iterable[Scope],
        groups: Iterable[str] = (),
        expires: datetime | None = None,
        now: datetime | None = None,
    ) -> tuple[ApiKey, str]:
        """A new key, and its text, which is told this once. Raises Conflict when the name is taken, InvalidInput."""
        public, secret = secrets.token_hex(ID_BYTES), secrets.token_urlsafe(SECRET_BYTES)
        wanted = ApiKey(
            name=name,
            public=public,
            digest=digest_of(secret),
            scopes=with_lower(scopes),
            groups=frozenset(groups),
            created=utc(now or datetime.now(UTC)),
            expires=expires and utc(expires),
        )
        with self._session.write() as connection:
            if connection.execute(BY_NAME, {"key": name}).one_or_none() is not None:
                raise Conflict("key", name, "exists already; choose another name, or delete it first")
            id = connection.scalar(INSERT, _values(wanted))
        return replace(wanted, id=id), written(public, secret)

    def list(self) -> list[ApiKey]:
        """All of them by name, also those that are no longer taken."""
        with self._session.read() as connection:
            return [_key(row) for row in connection.execute(ALL)]

    def find(self, public: str) -> ApiKey | None:
        """The key of this id."""
        with self._session.read() as connection:
            row = connection.execute(BY_PUBLIC, {"key": public}).one_or_none()
        return None if row is None else _key(row)

    def revoke(self, name: str, *, now: datetime | None = None) -> ApiKey:
        """Take a key out of use; it stays in the list. Raises NotFound."""
        with self._session.write() as connection:
            connection.execute(REVOKE.values(revoked=utc(now or datetime.now(UTC))), {"key": name})
            return _named(connection, name)

    def remember_use(self, public: str, *, now: datetime | None = None) -> None:
        """Note when a key was used."""
        with self._session.write() as connection:
            connection.execute(USED.values(used=utc(now or datetime.now(UTC))), {"key": public})

    def delete(self, name: str) -> None:
        """Remove a key, so that its name is free again, with what rules give to it. Raises NotFound."""
        with self._session.write() as connection:
            if not connection.execute(DELETE, {"key": name}).rowcount:
                raise NotFound("key", name)


def _named(connection: Connection, name: str) -> ApiKey:
    row = connection.execute(BY_NAME, {"key": name}).one_or_none()
    if row is None:
        raise NotFound("key", name)
    return _key(row)


def _values(key: ApiKey) -> dict[str, Any]:
    plain = {name: getattr(key, name) for name in ("name", "public", "digest", "created", "expires", "used", "revoked")}
    return {**plain, "scopes": sorted(key.scopes), "groups": sorted(key.groups)}


def _key(row: Any) -> ApiKey:
    return ApiKey(
        name=row.name,
        public=row.public,
        digest=bytes(row.digest),
        scopes=frozenset(map(Scope, row.scopes)),
        groups=frozenset(row.groups),
        created=row.created,
        expires=row.expires,
        used=row.used,
        revoked=row.revoked,
        id=row.id,
    )
