"""The head of an answer: status, media type, validators and how long it may be kept (RFC 9110, RFC 9111)."""

from __future__ import annotations

import hashlib

from prismcube.model.access import Access
from providers.ogc.answer import Answer, FileBody, Keep, Stream
from providers.ogc.validators import has_tag

CREDENTIALS = ("Authorization", "X-API-Key")
"""Headers by which callers show who they are, and so what they may see."""
SHORT_SECONDS = 300
"""How old pictures and pixels may get in a cache before it asks again."""


def head(
    answer: Answer, *, if_none_match: str, access: Access, has_languages: bool = False
) -> tuple[int, dict[str, str]]:
    """(status, headers); 304 when the client has this very answer. Names of headers are in lower case.

    `has_languages`: the answer would be another one in another language.
    """
    headers = {name.lower(): value for name, value in answer.headers.items()}
    if answer.status not in (200, 304):  # a handler may find by itself that the client has it
        if answer.body:
            headers["content-type"] = answer.media_type
        headers.setdefault("cache-control", _cache_control(Keep.CHECK, shared=access.is_anonymous))
        headers["vary"] = ", ".join(["Accept", *CREDENTIALS])
        return answer.status, headers
    headers["cache-control"] = _cache_control(answer.keep, shared=access.is_anonymous)
    headers["vary"] = ", ".join(["Accept", *(["Accept-Language"] if has_languages else []), *CREDENTIALS])
    etag = answer.etag or (etag_of(answer.body) if isinstance(answer.body, bytes) else "")
    if etag:
        headers["etag"] = etag
    if answer.status == 304 or (etag and has_tag(if_none_match, etag)):
        return 304, headers
    headers["content-type"] = answer.media_type
    if isinstance(answer.body, FileBody | Stream) and answer.body.size is not None:
        headers["content-length"] = str(answer.body.size)
    return 200, headers


def etag_of(body: bytes) -> str:
    """A strong validator of a body."""
    return f'"{hashlib.blake2b(body, digest_size=16).hexdigest()}"'


def _cache_control(keep: Keep, *, shared: bool) -> str:
    """What a caller needs a key for is kept by nobody but himself."""
    whose = "public" if shared else "private"
    match keep:
        case Keep.NEVER:
            return "no-store"
        case Keep.CHECK:
            return f"{whose}, no-cache"
        case Keep.SHORT:
            return f"{whose}, max-age={SHORT_SECONDS}"
