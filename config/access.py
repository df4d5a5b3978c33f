"""Settings of who may read and write what: keys, tokens of an issuer, rules."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator

from config.section import Section
from prismcube.errors import InvalidInput
from prismcube.model.access import AUTHENTICATED, EVERYONE
from prismcube.model.pattern import Pattern

_SUBJECT = re.compile(r"(key|user|group):\S(.*\S)?", re.DOTALL)

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519")
"""Signatures with a private and a public key. With others, who checks a token could make one."""


class AccessRule(Section):
    """Who reads and writes the collections whose names match."""

    collections: str = Field(
        description="Pattern of names: `*` any characters, `?` one; the first rule that matches a name decides."
    )
    read: tuple[str, ...] = Field(
        (AUTHENTICATED,),
        description="Who may read: `everyone`, `authenticated`, `key:NAME`, `user:SUBJECT`, `group:NAME`. To all "
        "others the collection does not exist.",
    )
    write: tuple[str, ...] = Field(
        (AUTHENTICATED,), description="Who of those that may read, and have the scope `write`, may change it."
    )

    @field_validator("read", "write")
    @classmethod
    def _known_subjects(cls, subjects: tuple[str, ...]) -> tuple[str, ...]:
        for one in subjects:
            if one not in (EVERYONE, AUTHENTICATED) and not _SUBJECT.fullmatch(one):
                raise ValueError(
                    f"{one!r:.60} is not {EVERYONE}, {AUTHENTICATED}, key:NAME, user:SUBJECT or group:NAME"
                )
        return subjects

    @field_validator("collections")
    @classmethod
    def _pattern(cls, text: str) -> str:
        try:
            Pattern(text)
        except InvalidInput as error:
            raise ValueError(error.reason) from error
        return text


class Oidc(Section):
    """Whose tokens are taken, and what their claims mean."""

    issuer: str | None = Field(
        None,
        description="Address of an OpenID Connect issuer, exactly as its tokens write it in `iss`; its bearer tokens "
        "are then taken. Null: none are.",
    )
    audience: str | None = Field(
        None,
        min_length=1,
        validate_default=True,
        description="What tokens must name in `aud`: this server, as the issuer knows it. Needed with `issuer`.",
    )
    jwks_url: str | None = Field(
        None,
        description="Where the issuer's public keys are. Null: where `.well-known/openid-configuration` below the "
        "issuer says.",
    )
    algorithms: tuple[str, ...] = Field(
        ("RS256", "PS256", "ES256"),
        min_length=1,
        description=f"Signatures that are taken, of {', '.join(ALGORITHMS)}.",
    )
    subject_claim: str = Field(
        "sub", min_length=1, description="Claim that says who it is; rules write it `user:SUBJECT`."
    )
    groups_claim: str = Field(
        "groups",
        min_length=1,
        description="Claim with the names of his groups, a list or a text with blanks; `a.b` looks into objects.",
    )
    scopes_claim: str = Field(
        "scope",
        min_length=1,
        description="Claim with what he may do, as `groups_claim`: `prismcube:write` and `prismcube:admin` give these "
        "scopes. Whoever has a token may read.",
    )
    leeway: int = Field(60, ge=1, le=600, description="Seconds by which the clocks of issuer and server may differ.")

    @field_validator("issuer", "jwks_url")
    @classmethod
    def _safe_address(cls, url: str | None) -> str | None:
        if url is not None and not is_safe_address(url):
            raise ValueError("must be an https:// address (http:// on this machine only), without user and fragment")
        return url

    @field_validator("algorithms")
    @classmethod
    def _with_a_public_key(cls, algorithms: tuple[str, ...]) -> tuple[str, ...]:
        for one in algorithms:
            if one not in ALGORITHMS:
                raise ValueError(f"{one!r:.20} is not one of {', '.join(ALGORITHMS)}")
        return algorithms

    @field_validator("audience")
    @classmethod
    def _needed(cls, audience: str | None, info: ValidationInfo) -> str | None:
        if audience is None and info.data.get("issuer") is not None:
            raise ValueError("must be set, since issuer is: else tokens for other servers would be taken")
        return audience


class AccessControl(Section):
    """Who may read and write what."""

    keys: bool = Field(
        False,
        description="Whether API keys are asked for (`prismcube key create`). See docs/how-to/protect-a-server.md.",
    )
    oidc: Oidc = Field(default_factory=Oidc)
    rules: tuple[AccessRule, ...] = Field(
        (),
        description="Who reads and writes which collections; the first that matches a collection's name decides. Last "
        'stands, unwritten, `{collections: "*", read: [authenticated], write: [authenticated]}`. Need `keys` or '
        "`oidc`.",
    )

    @field_validator("rules")
    @classmethod
    def _of_use(cls, rules: tuple[AccessRule, ...], info: ValidationInfo) -> tuple[AccessRule, ...]:
        oidc = info.data.get("oidc")
        if rules and info.data.get("keys") is False and oidc is not None and oidc.issuer is None:
            raise ValueError("nobody can be told from anybody: set prismcube.access.keys or prismcube.access.oidc")
        return rules

    @property
    def is_configured(self) -> bool:
        """True when callers are asked who they are; else all are alike."""
        return self.keys or self.oidc.issuer is not None


def is_safe_address(url: str) -> bool:
    """True for an address from which keys may come: nobody between can change them."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # raises for one that is none
    except ValueError:
        return False
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    return is_safe and bool(parts.hostname) and not parts.fragment and parts.username is None


def is_loopback(host: str) -> bool:
    """True when only this machine can reach a server that listens on `host`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
