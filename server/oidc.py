"""Bearer tokens of an OpenID Connect issuer: JSON Web Tokens, checked against the issuer's public keys.

claims ─ the header's `alg` is one of those that the settings name (never a shared secret, never `none`)
       ├ _key      the issuer's key of the header's `kid`, which must be of the kind that `alg` needs
       │  └ _keys  fetched, kept some minutes; fetched again for an unknown `kid`, but not for each
       └ signature, then iss, aud, exp, nbf (RFC 7519, 4.1)
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from joserfc import jws, jwt
from joserfc.errors import ClaimError, ExpiredTokenError, JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from config.access import Oidc, is_safe_address
from prismcube.errors import PrismcubeError
from prismcube.model.access import Scope
from server.credentials import BadCredential, Token

LOG = logging.getLogger("prismcube.server")

SECONDS = 5.0
"""How long the issuer may take to connect, and between bytes."""
LARGEST = 2**20
"""Bytes of a document of the issuer."""
FRESH_SECONDS = 600
"""How long the issuer's keys are taken without asking: one that it withdraws may be taken so much longer."""
AGAIN_SECONDS = 30
"""How old the keys must be to be fetched again for a `kid` that is not among them; strangers can make up many."""
STALE_SECONDS = 3600
"""How long the keys are taken while the issuer does not answer."""
RETRY_SECONDS = 10
"""How long an issuer that did not answer is left alone."""

SCOPES = {f"prismcube:{scope}": scope for scope in Scope}
"""What the scopes claim says, and means."""

PublicKey = RSAKey | ECKey | OKPKey
_KINDS: Mapping[str, tuple[str, str | None]] = {
    **{f"{family}{bits}": ("RSA", None) for family in ("RS", "PS") for bits in (256, 384, 512)},
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "Ed25519": ("OKP", "Ed25519"),
}
"""Of each algorithm, type and curve of its keys (RFC 7518, 3.1; RFC 9864)."""


_MALFORMED = (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What joserfc raises for JSON of other shapes, or deeper, than it expects."""


class IssuerUnavailable(PrismcubeError):
    """The issuer's keys can't be fetched."""


class Issuer:
    """The issuer whose tokens a worker takes; used on its event loop only."""

    def __init__(self, settings: Oidc) -> None:
        self._settings = settings
        self._registry = jws.JWSRegistry(algorithms=settings.algorithms, strict_check_header=False)
        self._registry.max_header_length = 4096
        self._lock = asyncio.Lock()
        self._known: Sequence[PublicKey] = ()
        self._fetched = self._failed = -math.inf

    async def caller(self, token: Token) -> tuple[str, frozenset[str], frozenset[Scope]]:
        """(subject, groups, scopes) of who holds the token. Raises BadCredential, IssuerUnavailable."""
        claims = await self._claims(token.text)
        subject = claims.get(self._settings.subject_claim)
        if not isinstance(subject, str) or not subject:
            raise BadCredential(f"the token has no text in {self._settings.subject_claim}")
        groups = frozenset(_texts(claims, self._settings.groups_claim))
        scopes = (SCOPES.get(one) for one in _texts(claims, self._settings.scopes_claim))
        return subject, groups, frozenset({Scope.READ, *(one for one in scopes if one)})

    async def _claims(self, text: str) -> dict[str, Any]:
        try:
            header = jws.extract_compact(text.encode()).headers()
            algorithm, kid = header.get("alg"), header.get("kid")
        except _MALFORMED as error:
            raise BadCredential("this is neither a key nor a JSON Web Token") from error
        if "crit" in header:  # RFC 7515, 4.1.11
            raise BadCredential("the token needs extensions that are not known here")
        if algorithm not in self._settings.algorithms:
            raise BadCredential(f"tokens signed with {str(algorithm)[:20]!r} are not taken")
        key = await self._key(algorithm, kid)
        try:
            token = jwt.decode(text, key, registry=self._registry)
            registry = jwt.JWTClaimsRegistry(
                leeway=self._settings.leeway,
                iss={"essential": True, "value": self._settings.issuer or ""},
                aud={"essential": True, "value": self._settings.audience or ""},
                exp={"essential": True},
            )
            registry.validate(token.claims)
        except ExpiredTokenError as error:
            raise BadCredential("the token has expired") from error
        except ClaimError as error:
            raise BadCredential(f"the token's {error.claim} is missing, or not for this server") from error
        except _MALFORMED as error:
            raise BadCredential("the token's signature is wrong, or its contents are none") from error
        return token.claims

    async def _key(self, algorithm: str, kid: object) -> PublicKey:
        for age in (FRESH_SECONDS, AGAIN_SECONDS):
            fitting = [one for one in await self._keys(age) if _fits(one, algorithm)]
            if kid is None and len(fitting) == 1:  # an issuer with one key need not name it
                return fitting[0]
            for one in fitting:
                if kid is not None and one.kid == kid:
                    return one
        raise BadCredential("the token is signed with a key that the issuer does not have")

    async def _keys(self, age: float) -> Sequence[PublicKey]:
        """The issuer's keys, at most so many seconds old, if it answers. Raises IssuerUnavailable."""
        async with self._lock:  # who comes meanwhile waits for the same answer
            if time.monotonic() - self._fetched > age and time.monotonic() - self._failed > RETRY_SECONDS:
                try:
                    self._known = await self._fetch()
                    self._fetched = time.monotonic()
                except IssuerUnavailable as error:
                    self._failed = time.monotonic()
                    LOG.error("%s", error)
            if time.monotonic() - self._fetched > STALE_SECONDS:
                raise IssuerUnavailable("the issuer of tokens does not answer")
            return self._known

    async def _fetch(self) -> Sequence[PublicKey]:
        async with httpx.AsyncClient(timeout=SECONDS) as client:
            url = self._settings.jwks_url
            if url is None:
                issuer = self._settings.issuer or ""
                about = f"{issuer.rstrip('/')}/.well-known/openid-configuration"  # OpenID Connect Discovery 1.0, 4
                document = await _document(client, about)
                if document.get("issuer") != issuer:
                    raise IssuerUnavailable(f"{about} is of another issuer, {str(document.get('issuer'))[:200]!r}")
                url = document.get("jwks_uri")
                if not isinstance(url, str) or not is_safe_address(url):
                    raise IssuerUnavailable(f"{about} has no safe jwks_uri")
            found = (await _document(client, url)).get("keys")
        if not isinstance(found, list):
            raise IssuerUnavailable(f"{url} is no key set")
        return [key for one in found for key in _public_keys(one)]


async def _document(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    """A JSON object. Raises IssuerUnavailable."""
    body = bytearray()
    try:
        async with client.stream("GET", url, headers={"Accept": "application/json"}) as answer:
            answer.raise_for_status()
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > LARGEST:
                    raise IssuerUnavailable(f"{url} has more than {LARGEST:,} bytes")
        document = httpx.Response(200, content=bytes(body)).json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise IssuerUnavailable(f"the issuer of tokens does not answer as it should: {url}: {error}") from error
    if not isinstance(document, dict):
        raise IssuerUnavailable(f"{url} is no JSON object")
    return document


def _public_keys(document: object) -> list[PublicKey]:
    """The key of a JWK; none for one that is not for signatures or of a kind we don't take (RFC 7517, 5)."""
    if not isinstance(document, dict) or document.get("use", "sig") != "sig":
        return []
    if document.get("kty") not in ("RSA", "EC", "OKP"):  # a shared secret is never taken
        return []
    try:
        key = JWKRegistry.import_key(document)
    except _MALFORMED:
        return []
    return [key] if isinstance(key, RSAKey | ECKey | OKPKey) else []


def _fits(key: PublicKey, algorithm: str) -> bool:
    kind, curve = _KINDS[algorithm]
    return key.key_type == kind and key.get("crv") in (curve, None) and key.get("alg") in (algorithm, None)


def _texts(claims: Mapping[str, Any], path: str) -> list[str]:
    """The texts of a claim: a list of them, or one with blanks between; `a.b` looks into objects."""
    value: Any = claims.get(path)
    if value is None:
        value = claims
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
    if isinstance(value, str):
        return value.split()
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
