"""Callers who are not what they say, before any handler: each is refused, and counted."""

import asyncio
import base64
from pathlib import Path

import httpx
import pytest

from config.settings import Settings
from prismcube.catalogue import Catalogue, migrate
from prismcube.model.access import Scope
from server.authentication import Authentication
from server.edge.clients import Rate
from server.keyring import Keyring
from server.metrics import Metrics


async def answering(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def catalogue(tmp_path):
    url = f"sqlite:///{tmp_path}/c.sqlite"
    migrate(url)
    with_keys = Catalogue(url)
    yield with_keys
    with_keys.close()


def statuses(app, requests):
    """Of (address, headers) in turn."""

    async def ask():
        found = []
        for address, headers in requests:
            transport = httpx.ASGITransport(app, client=(address, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://prismcube.test") as client:
                found.append((await client.get("/collections", headers=headers)).status_code)
        return found

    return asyncio.run(ask())


def guarded(catalogue, *, rate, **access):
    settings = Settings(pygeoapi={}, path=Path("unused.yml"), access=access)
    counted = Rate(answering, rate=rate, storage="memory://", metrics=Metrics())
    return Authentication(counted, settings, keyring=Keyring(catalogue), rate=counted)


def test_wrong_keys_are_counted_for_the_address_that_tries_them(catalogue):
    _, good = catalogue.keys.create("mapper", scopes=[Scope.READ], groups=())
    app = guarded(catalogue, rate="3/hour", keys=True)
    wrong = [("203.0.113.7", {"X-API-Key": f"{good[:-4]}{number:04}"}) for number in range(5)]
    assert statuses(app, wrong) == [401, 401, 401, 429, 429]
    assert statuses(app, [("203.0.113.8", headers) for _, headers in wrong[:1]]) == [401]
    # Who holds a key is not shut out by those who guess from his address; who shows none is counted with them.
    assert statuses(app, [("203.0.113.7", {"X-API-Key": good}), ("203.0.113.7", {})]) == [200, 429]


def deep(levels):
    return base64.urlsafe_b64encode(b'{"alg":"RS256","x":' + b"[" * levels + b"]" * levels + b"}").decode().rstrip("=")


@pytest.mark.parametrize("levels", [100, 2_000, 10_000, 100_000])
def test_tokens_of_deep_json_are_no_tokens(catalogue, levels):
    oidc = {"issuer": "http://127.0.0.1:9", "audience": "a", "jwks_url": "http://127.0.0.1:9/keys"}
    app = guarded(catalogue, rate="100/hour", keys=True, oidc=oidc)
    plain = base64.urlsafe_b64encode(b'{"alg":"HS256"}').decode().rstrip("=")
    for parts in ((deep(levels), plain, "eA"), (plain, deep(levels), "eA")):
        token = {"Authorization": f"Bearer {'.'.join(parts)}"}
        # The first of few levels is JSON, whose key nobody can ask the issuer for.
        expected = 503 if parts[0] != plain and levels == 100 else 401
        assert statuses(app, [("203.0.113.7", token)]) == [expected]
