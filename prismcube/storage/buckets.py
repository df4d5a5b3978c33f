"""obstore's stores: made when first needed, kept, and their errors told in our words.

Settings and credentials come from the environment (AWS_*, GOOGLE_*, AZURE_*), see docs/concepts/storage.md.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from obstore.exceptions import PermissionDeniedError, UnauthenticatedError
from obstore.store import AzureStore, GCSStore, HTTPStore, S3Store

from prismcube.errors import SourceError
from prismcube.storage.uri import bucket_and_key, without_secret

STORES = 64
"""Kept at most: each has its connections. Those used longest ago go."""

CLIENT: dict[str, Any] = {"connect_timeout": "5s", "read_timeout": "10s"}
RETRY: dict[str, Any] = {"max_retries": 2, "retry_timeout": timedelta(seconds=15)}
"""A host that takes no connection fails within 16 s, one that falls silent within 20 s."""

PATIENCE = 30.0
"""Seconds for the whole of a request, unless told otherwise: a host that drips is never silent."""
PATIENTLY = 4 * 2**20
"""Bytes that must come within them; larger requests have more time, so that this is a least speed."""

_CLOUDS: dict[str, tuple[Callable[..., Any], str]] = {
    "s3": (S3Store, "AWS_ALLOW_HTTP"),
    "gs": (GCSStore, "GOOGLE_ALLOW_HTTP"),
    "az": (AzureStore, "AZURE_ALLOW_HTTP"),
}
_PLAIN = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
"""Paths that obstore sends as they are; any other URL gets a store of its own, which takes the URL whole."""


_ANONYMOUS = "AWS_SKIP_SIGNATURE=true (GOOGLE_, AZURE_) for public files"

FAILS = "its host fails"
"""The cause that strangers are told of whatever a server sends in place of the bytes that it was asked for."""


REDIRECTS = "its host redirects in circles"


class Missing(SourceError):
    """The file is not there."""

    cause = "it is not there"


class Unreachable(SourceError):
    """The file's host does not answer; asking another way would only take as long again."""

    cause = "its host does not answer"


class TooSlow(Unreachable):
    """The file's host sends, but so slowly that nobody can wait for it."""

    cause = "its host is too slow"


def place(uri: str, size: int = 0) -> tuple[Any, str]:
    """The store of a canonical remote URI, which waits as long as `size` bytes may take, and the path in it.

    Raises SourceError in a process that was forked from one that used stores, and what obstore raises for settings.
    """
    _check_process(uri)
    # A store has one time-out: by steps of two there are few of them.
    seconds = _seconds * 2 ** max(0, math.ceil(math.log2(max(1, size) / PATIENTLY)))
    scheme, _, rest = uri.partition("://")
    if scheme in _CLOUDS:
        bucket, key = bucket_and_key(uri)
        return _bucket(scheme, bucket, seconds), key
    host, slash, path = rest.partition("/")
    if _PLAIN.fullmatch(slash + path):
        return _http(f"{scheme}://{host}", _proxy_of(uri), seconds), unquote(path)
    return _http(uri, _proxy_of(uri), seconds), ""


def wait_at_most(seconds: float) -> None:
    """From now on, for the whole of a request of up to `PATIENTLY` bytes."""
    global _seconds
    _seconds = seconds


_seconds = PATIENCE


def route(proxy_of: Callable[[str], str | None]) -> None:
    """From now on, fetch the http URIs for which this gives a proxy by that."""
    global _proxy_of
    _proxy_of = proxy_of


def directly(uri: str) -> None:
    """No proxy of ours; those that the environment names are used."""


_proxy_of: Callable[[str], str | None] = directly


def forget() -> None:
    """Drop all stores, so that the environment is read anew; for tests."""
    _bucket.cache_clear()
    _http.cache_clear()


def explain(uri: str, error: Exception) -> SourceError:
    """What an error of obstore means, without the secrets that its text may hold."""
    uri, text = without_secret(uri), str(error)
    status = re.search(r"status code: (\d{3})", text)
    code = int(status[1]) if status else 0
    if code in (404, 410) or (isinstance(error, FileNotFoundError) and not code):  # obstore: 405 is "not found" too
        return Missing(uri, "not found")
    if "169.254.169.254" in text:  # where machines in a cloud ask for theirs, when nothing else is set
        return SourceError(uri, f"there are no credentials for it; set them, or {_ANONYMOUS}")
    if isinstance(error, PermissionDeniedError | UnauthenticatedError) or code in (401, 403):
        return SourceError(uri, "access is refused (no or wrong credentials, or the signed URL has expired)")
    if "Range request not supported" in text:
        return SourceError(uri, "its server does not send parts of files (HTTP ranges)", cause=FAILS)
    if sent := re.search(r"Requested (\d+\.\.\d+), got (\d+\.\.\d+)", text):
        return SourceError(uri, f"its server sent bytes {sent[2]} where {sent[1]} were asked for", cause=FAILS)
    if "Content-Range header not present" in text:
        return SourceError(uri, "its server does not say which part of the file it sends", cause=FAILS)
    if code:
        return SourceError(uri, f"its server answers with status {code}", cause=FAILS)
    if "error following redirect" in text:
        return SourceError(uri, "its server redirects in circles, or to where nothing can be read", cause=REDIRECTS)
    if "response body error" in text and "TimedOut" in text:
        return TooSlow(uri, "its host sends too slowly")
    if "error sending request" in text or "timed out" in text.lower() or "TimedOut" in text:
        return Unreachable(uri, "can't be reached: its host does not answer")
    if "response body error" in text:
        return SourceError(uri, "its server breaks off in the middle of an answer", cause=FAILS)
    if "invalid path" in text:
        return SourceError(uri, "holds a key with an empty, . or .. part, which can't be read")
    if "builder error" in text or "BadScheme" in text:
        return SourceError(uri, "its endpoint is plain http, which AWS_ALLOW_HTTP=true (GOOGLE_, AZURE_) allows")
    return SourceError(uri, f"can't be read: {text.splitlines()[0][:200].split('?')[0] if text else type(error)}")


@lru_cache(maxsize=STORES)
def _bucket(scheme: str, bucket: str, seconds: float) -> Any:
    make, allow_http = _CLOUDS[scheme]
    # Options that are given replace all that obstore would take from the environment, this one too.
    allowed = os.environ.get(allow_http, "").lower() in ("true", "1", "yes", "on")
    return make(bucket, client_options=_options(seconds) | {"allow_http": allowed}, retry_config=RETRY)


@lru_cache(maxsize=STORES)
def _http(url: str, proxy: str | None, seconds: float) -> Any:
    make: Callable[..., Any] = HTTPStore.from_url
    options = _options(seconds) | {"allow_http": True} | ({"proxy_url": proxy} if proxy else {})
    return make(url, client_options=options, retry_config=RETRY)


def _options(seconds: float) -> dict[str, Any]:
    return {**CLIENT, "timeout": f"{round(1000 * seconds)}ms"}


_first_process = 0


def _check_process(uri: str) -> None:
    """obstore's threads don't survive a fork: the child would wait for ever."""
    global _first_process
    if _first_process in (0, os.getpid()):
        _first_process = os.getpid()
        return
    raise SourceError(
        without_secret(uri), "can't be read: this process was forked after its parent had used remote storage"
    )
