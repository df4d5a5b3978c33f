"""Secrets out of texts: what the log, and whoever reads it, must not learn.

Applied to every line (`server.logs`), also to tracebacks and to what libraries write.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote_plus

from prismcube.storage.uri import without_secret

HIDDEN = "[redacted]"

_NAME = r"[\w.-]*(?:passw(?:or)?d|secret|token|signature|credential|api[_-]?key|access[_-]?key)[\w-]*"
_SECRET_NAME = re.compile(
    rf"(?:{_NAME}|[\w.-]*(?<![a-z])(?:key|sig|pwd|auth|code)|authorization|(?:set-)?cookie)", re.I
)
"""Names whose values are secret, in a query or as the field of a line."""

_URL = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>]+")
_HEADER = re.compile(
    r"(?P<name>\b(?:proxy-)?authorization|x-api-key|(?:set-)?cookie)(?P<is>['\"]?\s*[:=,]\s*b?['\"]?)[^\r\n'\"]+", re.I
)
_SCHEME = re.compile(r"\b(?P<scheme>bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}", re.I)
_PAIR = re.compile(rf"(?P<name>\b(?:{_NAME}|sig|pwd))(?P<is>['\"]?\s*[:=]\s*['\"]?)[^\s&,;'\"}})]+", re.I)

_KEY = re.compile(r"\bprism_[0-9a-f]{4,}_[A-Za-z0-9_.~+/=%-]+|\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
"""Keys of ours and JSON Web Tokens, wherever somebody has put them: into a path, a search, a name."""


def is_secret(name: str) -> bool:
    """True for the name of a parameter, header or field whose value nobody may see."""
    return _SECRET_NAME.fullmatch(name.strip()) is not None


def redacted(text: str) -> str:
    """The text without passwords, keys, tokens and the queries of signed URLs."""
    text = _URL.sub(lambda found: without_secret(found[0]), text)
    text = _HEADER.sub(rf"\g<name>\g<is>{HIDDEN}", text)
    text = _SCHEME.sub(rf"\g<scheme> {HIDDEN}", text)
    text = _KEY.sub(HIDDEN, text)
    return _PAIR.sub(rf"\g<name>\g<is>{HIDDEN}", text)


def redacted_query(pairs: Iterable[tuple[str, str]], *, longest: int = 1000) -> str:
    """A query for the log: secret values left out, cut where it is long."""
    text = "&".join(
        f"{quote_plus(name, safe='-')}={HIDDEN if is_secret(name) else quote_plus(value, safe='():,/*')}"
        for name, value in pairs
    )
    return text if len(text) <= longest else f"{text[:longest]}…"
