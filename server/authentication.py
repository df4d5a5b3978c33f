"""Who asks: each request is given the access of its caller, or refused, before any handler looks at it.

Authentication ─ credentials.shown    the key or token in its headers
               ├ Keyring.open         a key of the catalogue ─┐
               ├ Issuer.caller        a token of an issuer ───┴> Policy.known ─> scope[KEY]
               └ KNOWN_ONLY           what nobody may ask without one
"""

from __future__ import annotations

import logging

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from config.settings import Settings
from prismcube.errors import CatalogueUnavailable
from prismcube.model.access import Access
from server.access import KEY, VARY, Policy, access_of
from server.credentials import BadCredential, Key, Token, shown
from server.edge.clients import Rate
from server.edge.guard import refuse
from server.keyring import Keyring
from server.oidc import RETRY_SECONDS, Issuer, IssuerUnavailable

LOG = logging.getLogger("prismcube.server")

OPEN = ("/healthz", "/readyz")
"""Asked by machines that have no key; they tell nothing of the data."""
KNOWN_ONLY = ("processes", "jobs", "metrics", "login", "plans")
"""First parts of paths that need a key or token, where such are asked for."""
CHALLENGES = ('Bearer realm="prismcube"', 'Basic realm="prismcube", charset="UTF-8"')
BAD_CREDENTIAL = ', error="invalid_token"'
"""Added to the first when one was shown (RFC 6750, 3.1)."""


class Authentication:
    """Passes requests on with the access of their callers."""

    def __init__(self, app: ASGIApp, settings: Settings, *, keyring: Keyring | None, rate: Rate | None = None) -> None:
        """`keyring`: of the keys, where such are asked for. `rate` counts those who are refused for their address."""
        self._rate = rate
        self._app = app
        self._policy = Policy.of(settings)
        self._keyring = keyring
        oidc = settings.access.oidc
        self._issuer = Issuer(oidc) if oidc.issuer is not None else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused = await self._refusal(scope)
        if refused is not None and self._rate is not None:
            await self._rate.counted(refused, scope, receive, completed(scope, send))
        else:
            await (refused or self._app)(scope, receive, completed(scope, send))

    async def _refusal(self, scope: Scope) -> Response | None:
        """Writes the caller's access into the scope; else the answer to a caller who is not what he says."""
        host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
        scope[KEY] = self._policy.unknown(host)
        if not self._policy.asks or scope["path"] in OPEN:
            return None
        try:
            credential = shown(scope["headers"])
            if credential is not None:
                scope[KEY] = await self._caller(credential)
        except BadCredential as error:
            bearer, basic = CHALLENGES
            response = refuse(401, str(error), www_authenticate=f"{bearer}{BAD_CREDENTIAL}")
            response.headers.append("www-authenticate", basic)
            return response
        except IssuerUnavailable as error:
            return refuse(503, f"{error}; try again later", retry_after=str(RETRY_SECONDS))
        except CatalogueUnavailable as error:
            LOG.error("%s", error)
            return refuse(503, "the catalogue does not answer; the server's log says why")
        first = scope["path"].strip("/").partition("/")[0]
        if first in KNOWN_ONLY and access_of(scope).is_anonymous:
            return refuse(401, f"/{first} needs a key or token")
        return None

    async def _caller(self, credential: Key | Token) -> Access:
        if isinstance(credential, Token) and self._issuer is not None:
            subject, groups, scopes = await self._issuer.caller(credential)
            return self._policy.known(f"user:{subject}", groups=groups, scopes=scopes)
        if isinstance(credential, Key) and self._keyring is not None:
            key = await self._keyring.open(credential)
            return self._policy.known(f"key:{key.name}", groups=key.groups, scopes=key.scopes)
        kind = "keys" if isinstance(credential, Key) else "tokens"
        raise BadCredential(f"no {kind} are taken here")


def completed(scope: Scope, send: Send) -> Send:
    """`send`, with the headers that a handler leaves out, since they follow from the caller alone.

    Of a 401, what would be taken (RFC 9110, 11.6.1). Of what a known caller gets, that he alone may keep it; of
    errors, that nobody may: what is missing to one caller is there for another.
    """

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", [])]
            names = {name.lower() for name, _ in headers}
            if message["status"] == 401 and b"www-authenticate" not in names:
                headers += [(b"www-authenticate", challenge.encode()) for challenge in CHALLENGES]
            if b"cache-control" not in names:
                if message["status"] >= 400:
                    headers += [(b"cache-control", b"no-store")]
                elif not access_of(scope).is_anonymous:
                    headers += [(b"cache-control", b"private, no-cache"), (b"vary", VARY.encode())]
            message = {**message, "headers": headers}
        await send(message)

    return sent
