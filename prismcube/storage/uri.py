"""URIs of files: one spelling for each file, and what they may point at.

    file:///path        s3://bucket/key        gs://bucket/key        az://container/key        http(s)://host/path?query

A canonical URI is plain ASCII whatever the file's name, so it can be stored, compared and logged. The path of a local
file is exact, also for a name that is not valid Unicode. See docs/concepts/storage.md.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes, urljoin

from prismcube.errors import InvalidInput
from prismcube.model.entities import LONGEST_URI
from prismcube.storage.http import canonical_url
from prismcube.storage.subdir import split_name

_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?P<slashes>//?)")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_STORES = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "az": "az", "azure": "az", "abfs": "az", "abfss": "az"}
_VIRTUAL = {"vsis3": "s3", "vsigs": "gs", "vsiaz": "az"}
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_KEY_SAFE = "/!$&'()*+,;=:@~"
"""What a path may hold as it is (RFC 3986, 3.3): so that keys such as `date=2020-01-01/` stay legible."""


def canonical_uri(location: str | Path) -> str:
    """The one URI of a file, given by local path or URI.

    Relative paths start at the working directory; `.` and `..` are resolved, links are not: a sidecar lies beside the
    name that was given, and an archive may move behind its links. Percent-encoding is undone and done again, so `%7E`
    and `~` are one. Canonical URIs come back as they are.

    Raises InvalidInput("uri", ...) for other schemes, credentials (`user:password@`), fragments, a query of anything
    but http, GDAL's virtual files (`/vsi...`), and more than 2,048 characters.
    """
    return _bounded(_canonical(location, folder=False))


def canonical_prefix(location: str | Path) -> str:
    """The one URI of a folder, without a slash at its end; of a whole bucket `s3://bucket`.

    Raises InvalidInput("uri", ...) as `canonical_uri` does.
    """
    return _bounded(_canonical(location, folder=True))


def resolve(href: str, base: str) -> str:
    """The canonical URI of a link in a document that was read from `base`, a canonical URI.

    The link is absolute, or relative to the document, percent-encoded as in any URI. Paths of this machine may only be
    named by documents of this machine: else whoever wrote a document elsewhere could read the server's files.

    Raises InvalidInput("uri", ...) for such a one, and as `canonical_uri` does.
    """
    uri = _bounded(_resolved(href, base))
    if is_remote(base) and not is_remote(uri):
        raise InvalidInput("uri", f"{_shown(href)} is a file of this machine, which a remote document may not name")
    return uri


def is_remote(uri: str) -> bool:
    """True for a canonical URI that is not a local file."""
    return not uri.startswith("file:")


def without_secret(uri: str) -> str:
    """A URI or any other location for messages and logs: without the query of a signed URL and without credentials."""
    if not re.match(r"/vsi|(?!file:)[a-z][a-z0-9+.-]*:", uri, re.IGNORECASE):
        return uri
    return re.sub(r"(?<=://)[^/]*@", "", re.split(r"[?#]", uri, maxsplit=1)[0])


def gdal_path(uri: str) -> str:
    """The path of a local file for GDAL and `open`. Raises InvalidInput("uri", ...) for a URI that is not local."""
    return _path(uri)


def bucket_and_key(uri: str) -> tuple[str, str]:
    """Of a canonical s3, gs or az URI; the key is exact, and empty for a whole bucket."""
    bucket, _, key = uri.partition("://")[2].partition("/")
    return bucket, unquote_to_bytes(key).decode()


def uri_of_key(scheme: str, bucket: str, key: str) -> str:
    """The canonical URI of an object; the opposite of `bucket_and_key`."""
    return f"{scheme}://{bucket}/{quote(key, safe=_KEY_SAFE)}"


def split_gdal_name(text: str) -> tuple[str, str]:
    """Location and subdir of a file as GDAL names it, such as `NETCDF:"/data/a.nc":sst` or `/vsizip/a.zip/b.tif`.

    The location is a URI where GDAL names one (`/vsis3/bucket/key`, `/vsicurl/https://...`), else a path as it was
    written, possibly relative: pass it to `resolve` or `canonical_uri`. Any other text comes back with subdir "".

    Raises InvalidInput("subdir", ...) for a subdataset that is refused, InvalidInput("uri", ...) for another `/vsi`
    name.
    """
    path, subdir = split_name(text)
    virtual = re.match(r"/(vsi[^/?]*)", path)
    if virtual is None:
        return path, subdir
    kind, rest = virtual[1], path[virtual.end() :].lstrip("/")
    if kind == "vsicurl" and path.startswith("/vsicurl/") and re.match(r"https?://", rest, re.IGNORECASE):
        return rest, subdir
    if kind in _VIRTUAL and "/" in rest:
        bucket, _, key = rest.partition("/")
        return uri_of_key(_VIRTUAL[kind], bucket, key), subdir
    raise InvalidInput("uri", f"{_shown(text)}: GDAL's /{kind} is not supported; write a path or a URI")


def _canonical(location: str | Path, *, folder: bool) -> str:
    scheme = _SCHEME.match(location) if isinstance(location, str) else None
    name = scheme["scheme"].lower() if scheme else "file"
    if scheme is None or name == "file":
        return "file://" + quote(os.fsencode(_path(location)))
    location = str(location)
    try:
        location.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput("uri", f"{_shown(location)} is not valid Unicode") from error
    if scheme["slashes"] != "//":
        raise InvalidInput("uri", f"{_shown(location)} has no host; write {name}://...")
    if name in ("http", "https"):
        return canonical_url(location)
    if name in _STORES:
        return _canonical_object(_STORES[name], location[scheme.end() :], location, folder=folder)
    raise InvalidInput(
        "uri", f"{_shown(location)}: {name!r} is not supported; write a path, file, s3, gs, az, http or https"
    )


def _canonical_object(scheme: str, rest: str, location: str, *, folder: bool) -> str:
    if "?" in rest or "#" in rest:
        raise InvalidInput("uri", f"{_shown(location)} has a query or fragment; write ? as %3F and # as %23")
    bucket, _, path = rest.partition("/")
    if "@" in bucket:
        raise InvalidInput(
            "uri", f"{_shown(location)} has credentials or an account; these belong into the environment"
        )
    if not _BUCKET.fullmatch(bucket):
        raise InvalidInput("uri", f"{_shown(location)}: {bucket!r} is no name of a bucket")
    path = path.rstrip("/") if folder else path
    if folder and not path:
        return f"{scheme}://{bucket}"
    try:
        key = unquote_to_bytes(path).decode()
    except UnicodeDecodeError as error:
        raise InvalidInput("uri", f"{_shown(location)}: its key is not valid UTF-8") from error
    if any(segment in ("", ".", "..") for segment in key.split("/")):
        raise InvalidInput("uri", f"{_shown(location)}: a key may not have empty, . or .. parts")
    if any(ord(character) < 32 or ord(character) == 127 for character in key):
        raise InvalidInput("uri", f"{_shown(location)}: a key may not have control characters")
    return uri_of_key(scheme, bucket, key)


def _path(location: str | Path) -> str:
    text = os.fspath(location)
    scheme = _SCHEME.match(text) if isinstance(location, str) else None
    if scheme is not None:
        text = _path_of_uri(text, scheme["scheme"].lower())
    if not text or "\0" in text:
        raise InvalidInput("uri", f"{text!r} is not the path of a file")
    try:
        os.fsencode(text)
    except UnicodeEncodeError as error:
        raise InvalidInput("uri", f"{text!r} is not valid Unicode") from error
    # normpath, not abspath: two leading slashes stay two in POSIX, but mean one on every system we know.
    path = "/" + os.path.abspath(text).lstrip("/")
    if path.startswith("/vsi"):
        # GDAL would take it for a virtual file, which may reach the network.
        raise InvalidInput("uri", f"{path!r} is a virtual file of GDAL; write a path or a URI")
    return path


def _path_of_uri(text: str, scheme: str) -> str:
    if scheme != "file":
        raise InvalidInput("uri", f"{_shown(text)} is not a local file")
    rest = text.partition(":")[2]
    if "?" in rest or "#" in rest:
        raise InvalidInput("uri", f"{_shown(text)} has a query or fragment; write ? as %3F and # as %23")
    if rest.startswith("//"):
        host, slash, rest = rest[2:].partition("/")
        if host.lower() not in ("", "localhost"):
            raise InvalidInput("uri", f"{_shown(text)} is on another host ({host}); write file:///path")
        rest = slash + rest
    return os.fsdecode(unquote_to_bytes(rest))


def _resolved(href: str, base: str) -> str:
    if not href or "\0" in href:
        raise InvalidInput("uri", f"{href!r} is not a link")
    if _ABSOLUTE.match(href):
        # `file:x` and the like would be taken for the path of a local file.
        if _SCHEME.match(href) is None:
            raise InvalidInput("uri", f"{_shown(href)} is neither a relative link nor a URI")
        return _canonical(href, folder=False)
    if base.startswith("http"):
        try:
            return _canonical(urljoin(base, href), folder=False)
        except ValueError as error:  # of urljoin
            raise InvalidInput("uri", f"{_shown(href)} is not a link") from error
    if "?" in href or "#" in href:
        raise InvalidInput("uri", f"{_shown(href)} has a query or fragment; write ? as %3F and # as %23")
    if not is_remote(base):
        path = os.fsdecode(unquote_to_bytes(os.fsencode(href)))
        return "file://" + quote(os.fsencode(_path(Path(os.path.dirname(gdal_path(base)), path))))
    if href.startswith("/"):
        raise InvalidInput("uri", f"{_shown(href)} is a file of this machine, which a remote document may not name")
    scheme, _, rest = base.partition("://")
    bucket, *segments = rest.split("/")[:-1]
    for segment in href.split("/"):
        if segment == ".." and not segments:
            raise InvalidInput("uri", f"{_shown(href)} leaves its bucket")
        if segment == "..":
            segments.pop()
        elif segment not in ("", "."):
            segments.append(segment)
    return _canonical_object(scheme, "/".join([bucket, *segments]), href, folder=False)


def _bounded(uri: str) -> str:
    if len(uri) > LONGEST_URI:
        raise InvalidInput("uri", f"has {len(uri):,} characters, at most {LONGEST_URI:,} are allowed")
    return uri


def _shown(location: str) -> str:
    return repr(without_secret(location)[:200])
