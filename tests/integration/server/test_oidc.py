"""Tokens of an issuer: a real one on loopback, whose keys and documents the tests change."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from config.access import Oidc
from prismcube.model.access import Scope
from server import oidc
from server.credentials import BadCredential, Token
from server.oidc import Issuer, IssuerUnavailable

RSA = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
OTHER = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
EDWARDS = OKPKey.generate_key("Ed25519", {"kid": "ed"})


class LocalIssuer:
    """Serves a discovery document and a key set; both may be changed, and requests are counted."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = [RSA.as_dict(private=False), EC.as_dict(private=False)]
        self.documents: dict[str, Any] = {}
        self.asked: list[str] = []
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked.append(self.path)
                document = {
                    "/.well-known/openid-configuration": {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys"},
                    "/keys": {"keys": issuer.keys},
                    **issuer.documents,
                }.get(self.path)
                body = document if isinstance(document, bytes) else json.dumps(document).encode()
                self.send_response(200 if document is not None else 500)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def settings(self, **changes: Any) -> Oidc:
        return Oidc(**{"issuer": self.url, "audience": "prismcube", **changes})

    def token(self, key: Any = RSA, *, alg: str = "RS256", header: dict[str, Any] | None = None, **changes: Any) -> str:
        now = int(time.time())
        claims = {"iss": self.url, "aud": "prismcube", "sub": "anna", "exp": now + 300, "iat": now, **changes}
        claims = {name: value for name, value in claims.items() if value is not None}
        head = {"alg": alg, "kid": key.kid, **(header or {})}
        return jwt.encode({name: value for name, value in head.items() if value is not None}, claims, key, [alg])


@pytest.fixture
def local() -> Iterator[LocalIssuer]:
    made = LocalIssuer()
    yield made
    made.server.shutdown()
    made.server.server_close()


Ask = Callable[..., Any]


@pytest.fixture
def ask(local: LocalIssuer) -> Ask:
    """Who holds the token, as an issuer of these settings says; one that has fetched nothing yet."""

    def caller(token: str, **settings: Any) -> Any:
        return asyncio.run(Issuer(local.settings(**settings)).caller(Token(token)))

    return caller


def refused(ask: Ask, token: str, **settings: Any) -> str:
    with pytest.raises(BadCredential) as caught:
        ask(token, **settings)
    assert token not in str(caught.value)
    return str(caught.value)


# --- what is taken --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "alg"), [(RSA, "RS256"), (RSA, "PS256"), (EC, "ES256")])
def test_a_good_token(local: LocalIssuer, ask: Ask, key: Any, alg: str) -> None:
    assert ask(local.token(key, alg=alg)) == ("anna", frozenset(), frozenset({Scope.READ}))


def test_edwards_curves_where_the_settings_say_so(local: LocalIssuer, ask: Ask) -> None:
    local.keys.append(EDWARDS.as_dict(private=False))
    token = local.token(EDWARDS, alg="Ed25519")
    assert ask(token, algorithms=["Ed25519"])[0] == "anna"
    assert "not taken" in refused(ask, token)


@pytest.mark.parametrize("audience", ["prismcube", ["other", "prismcube"]])
def test_audience_may_be_one_of_several(local: LocalIssuer, ask: Ask, audience: Any) -> None:
    assert ask(local.token(aud=audience))[0] == "anna"


@pytest.mark.parametrize(
    ("claims", "settings", "groups", "scopes"),
    [
        ({"groups": ["a", "b", 3]}, {}, {"a", "b"}, {"read"}),
        ({"scope": "openid prismcube:write"}, {}, set(), {"read", "write"}),
        ({"scope": ["prismcube:admin"]}, {}, set(), {"read", "admin"}),
        ({"scope": "admin write prismcube:all"}, {}, set(), {"read"}),
        ({"realm": {"roles": ["a"]}}, {"groups_claim": "realm.roles"}, {"a"}, {"read"}),
        ({"https://x.org/groups": ["a"]}, {"groups_claim": "https://x.org/groups"}, {"a"}, {"read"}),
        ({"roles": ["prismcube:write"]}, {"scopes_claim": "roles"}, set(), {"read", "write"}),
        ({"groups": 5, "scope": {"a": 1}}, {}, set(), {"read"}),
    ],
)
def test_what_claims_mean(
    local: LocalIssuer, ask: Ask, claims: Any, settings: Any, groups: set[str], scopes: set[str]
) -> None:
    found = ask(local.token(**claims), **settings)
    assert (found[1], {str(one) for one in found[2]}) == (groups, scopes)


def test_the_subject_may_be_another_claim(local: LocalIssuer, ask: Ask) -> None:
    assert ask(local.token(email="a@b.c"), subject_claim="email")[0] == "a@b.c"
    for subject in (None, "", 5):
        refused(ask, local.token(email=subject), subject_claim="email")


def test_clocks_may_differ_by_the_leeway(local: LocalIssuer, ask: Ask) -> None:
    token = local.token(exp=int(time.time()) - 100)
    assert ask(token, leeway=200)[0] == "anna"
    assert "expired" in refused(ask, token, leeway=50)


def test_a_token_without_a_key_id_of_an_issuer_with_one_key_of_the_kind(local: LocalIssuer, ask: Ask) -> None:
    token = local.token(header={"kid": None})
    assert ask(token)[0] == "anna"
    local.keys.append(RSAKey.generate_key(2048, {"kid": "second"}).as_dict(private=False))
    refused(ask, token)


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"aud": "another"}, "aud"),
        ({"aud": None}, "aud"),
        ({"aud": ["a", 5]}, "aud"),
        ({"iss": "https://evil.example"}, "iss"),
        ({"iss": None}, "iss"),
        ({"exp": 1_000_000_000}, "expired"),
        ({"exp": None}, "exp"),
        ({"exp": "tomorrow"}, "exp"),
        ({"nbf": 9_999_999_999}, "nbf"),
        ({"iat": 9_999_999_999}, "iat"),
        ({"sub": None}, "sub"),
        ({"sub": 5}, "sub"),
    ],
)
def test_wrong_claims(local: LocalIssuer, ask: Ask, claims: Any, reason: str) -> None:
    assert reason in refused(ask, local.token(**claims))


def test_wrong_signature(local: LocalIssuer, ask: Ask) -> None:
    assert "signature" in refused(ask, local.token(OTHER))
    head, body, signature = local.token().split(".")
    other = local.token(sub="root").split(".")[1]
    assert "signature" in refused(ask, f"{head}.{other}.{signature}")
    refused(ask, f"{head}.{body}.")
    refused(ask, f"{head}.{body}.{signature[:-8]}")


def unsigned(header: Any, claims: Any, signature: bytes = b"") -> str:
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", None, 5, ["RS256"], {"a": 1}])
def test_tokens_without_a_signature(local: LocalIssuer, ask: Ask, alg: Any) -> None:
    claims = {"iss": local.url, "aud": "prismcube", "sub": "anna", "exp": int(time.time()) + 300}
    refused(ask, unsigned({"alg": alg, "kid": "rsa"}, claims))


@pytest.mark.parametrize("encoding", ["PEM", "DER"])
@pytest.mark.parametrize("alg", ["HS256", "RS256"])
def test_a_public_key_is_no_shared_secret(local: LocalIssuer, ask: Ask, encoding: Any, alg: str) -> None:
    claims = {"iss": local.url, "aud": "prismcube", "sub": "anna", "exp": int(time.time()) + 300}
    signed = unsigned({"alg": alg, "kid": "rsa"}, claims).rpartition(".")[0]
    secret = RSA.as_bytes(encoding=encoding, private=False)
    digest = hmac.digest(secret, signed.encode(), "sha256")
    refused(ask, f"{signed}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}")


def test_a_shared_secret_in_the_key_set_is_never_used(local: LocalIssuer, ask: Ask) -> None:
    secret = OctKey.generate_key(256, {"kid": "shared"})
    local.keys.append(secret.as_dict(private=True))
    refused(ask, local.token(secret, alg="HS256"))


def test_keys_are_only_used_for_what_they_are(local: LocalIssuer, ask: Ask) -> None:
    local.keys = [{**RSA.as_dict(private=False), "use": "enc"}]
    refused(ask, local.token())
    local.keys = [{**RSA.as_dict(private=False), "alg": "PS256"}]
    refused(ask, local.token())
    assert ask(local.token(alg="PS256"))[0] == "anna"
    local.keys = [EC.as_dict(private=False) | {"kid": "rsa"}]
    refused(ask, local.token())
    p384 = ECKey.generate_key("P-384", {"kid": "ec"})
    local.keys = [p384.as_dict(private=False)]
    refused(ask, local.token(EC, alg="ES256"))


def test_a_key_that_the_token_brings_is_not_used(local: LocalIssuer, ask: Ask) -> None:
    header = {"alg": "RS256", "kid": "rsa", "jwk": OTHER.as_dict(private=False)}
    claims = {"iss": local.url, "aud": "prismcube", "sub": "anna", "exp": int(time.time()) + 300}
    registry = jws.JWSRegistry(algorithms=["RS256"], strict_check_header=False)
    registry.max_header_length = 4096
    refused(ask, jws.serialize_compact(header, json.dumps(claims), OTHER, registry=registry))


@given(st.text(alphabet="abcABC019._-=", max_size=60) | st.lists(st.binary(max_size=30), min_size=3, max_size=3))
def test_no_text_does_more_than_being_refused(parts: Any) -> None:
    text = parts if isinstance(parts, str) else ".".join(base64.urlsafe_b64encode(one).decode() for one in parts)
    with pytest.raises(BadCredential):
        asyncio.run(Issuer(Oidc(issuer="http://127.0.0.1:9", audience="a")).caller(Token(text)))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_any_header_and_claims_are_refused(value: Any) -> None:
    issuer = Issuer(Oidc(issuer="http://127.0.0.1:9", audience="a"))
    issuer._known, issuer._fetched = [RSA], time.monotonic()
    for header in (
        value,
        {"alg": value},
        {"alg": "RS256", "kid": value},
        {"alg": "RS256", "kid": "rsa", "crit": value},
    ):
        with pytest.raises(BadCredential):
            asyncio.run(issuer.caller(Token(unsigned(header, value, b"x"))))
    signed = jws.serialize_compact({"alg": "RS256", "kid": "rsa"}, json.dumps(value).encode(), RSA, ["RS256"])
    with pytest.raises(BadCredential):
        asyncio.run(issuer.caller(Token(signed)))


# --- the issuer's keys ----------------------------------------------------------------------------------------------


def test_keys_are_fetched_once_for_many(local: LocalIssuer) -> None:
    async def many() -> None:
        issuer = Issuer(local.settings())
        await asyncio.gather(*(issuer.caller(Token(local.token())) for _ in range(20)))

    asyncio.run(many())
    assert local.asked == ["/.well-known/openid-configuration", "/keys"]


def test_keys_from_an_address_of_their_own(local: LocalIssuer, ask: Ask) -> None:
    local.documents["/elsewhere"] = {"keys": local.keys}
    assert ask(local.token(), jwks_url=f"{local.url}/elsewhere")[0] == "anna"
    assert local.asked == ["/elsewhere"]


def test_rotated_keys_are_found_and_unknown_ones_ask_seldom(
    local: LocalIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = RSAKey.generate_key(2048, {"kid": "new"})

    async def rotate() -> None:
        issuer = Issuer(local.settings())
        await issuer.caller(Token(local.token()))
        local.keys = [new.as_dict(private=False)]
        for _ in range(5):  # made up by strangers
            with pytest.raises(BadCredential, match="does not have"):
                await issuer.caller(Token(local.token(new)))
        assert local.asked.count("/keys") == 1
        monkeypatch.setattr(oidc, "AGAIN_SECONDS", 0)
        assert (await issuer.caller(Token(local.token(new))))[0] == "anna"
        with pytest.raises(BadCredential):
            await issuer.caller(Token(local.token()))  # which the issuer has withdrawn

    asyncio.run(rotate())


def test_an_issuer_that_is_gone(local: LocalIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    token = Token(local.token())
    gone = local.settings()
    local.documents["/keys"] = b"<html>"

    async def outage() -> None:
        issuer = Issuer(gone)
        for _ in range(3):
            with pytest.raises(IssuerUnavailable, match="does not answer"):
                await issuer.caller(token)
        assert local.asked.count("/keys") == 1  # left alone for a while
        del local.documents["/keys"]
        monkeypatch.setattr(oidc, "RETRY_SECONDS", 0)
        assert (await issuer.caller(token))[0] == "anna"
        local.documents["/keys"] = b"<html>"
        monkeypatch.setattr(oidc, "FRESH_SECONDS", 0)
        assert (await issuer.caller(token))[0] == "anna"  # the last known keys hold
        monkeypatch.setattr(oidc, "STALE_SECONDS", 0)
        with pytest.raises(IssuerUnavailable):
            await issuer.caller(token)

    asyncio.run(outage())


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("/keys", None),
        ("/keys", []),
        ("/keys", {"keys": 5}),
        ("/keys", b"x" * (oidc.LARGEST + 1)),
        ("/.well-known/openid-configuration", {"issuer": "https://evil.example", "jwks_uri": "https://evil.example"}),
        ("/.well-known/openid-configuration", {}),
        ("/.well-known/openid-configuration", b"\xff"),
    ],
)
def test_documents_that_are_none(local: LocalIssuer, ask: Ask, path: str, document: Any) -> None:
    local.documents[path] = document
    with pytest.raises(IssuerUnavailable, match="does not answer"):
        ask(local.token())


@pytest.mark.parametrize("url", ["http://evil.example/keys", "file:///etc/passwd", 5, None, "https://:x", "https://["])
def test_keys_come_from_safe_addresses_only(local: LocalIssuer, ask: Ask, url: Any) -> None:
    local.documents["/.well-known/openid-configuration"] = {"issuer": local.url, "jwks_uri": url}
    with pytest.raises(IssuerUnavailable):
        ask(local.token())


def test_keys_that_are_none_are_left_out(local: LocalIssuer, ask: Ask) -> None:
    odd = [5, None, {}, {"kty": "RSA"}, {"kty": "EC", "crv": "P-256", "x": "!", "y": 5}, {"kty": "AKP", "pub": "x"}]
    local.keys = [*odd, {"kty": "RSA", "n": 5, "e": []}, *local.keys]  # type: ignore[list-item]
    assert ask(local.token())[0] == "anna"
