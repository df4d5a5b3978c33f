"""One spelling of each file's URI, and links that may not lead into this machine."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prismcube.errors import InvalidInput
from prismcube.storage.uri import (
    bucket_and_key,
    canonical_prefix,
    canonical_uri,
    gdal_path,
    is_remote,
    resolve,
    uri_of_key,
    without_secret,
)

text = st.text(max_size=30)
segments = st.text(min_size=1, max_size=12).filter(
    lambda one: one not in (".", "..") and "/" not in one and all(ord(c) >= 32 and ord(c) != 127 for c in one)
)
keys = st.lists(segments, min_size=1, max_size=4).map("/".join).filter(lambda key: _is_unicode(key))


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@given(
    st.sampled_from(("", "file:///", "s3://b/", "gs://b/", "az://c/", "http://h/", "https://h:8443/", "HTTPS://H/")),
    text,
)
def test_canonical_is_a_fixed_point(start: str, rest: str) -> None:
    try:
        uri = canonical_uri(start + rest)
    except InvalidInput as error:
        assert error.parameter == "uri"
        return
    assert canonical_uri(uri) == uri
    assert uri.isascii()
    assert uri.isprintable()
    assert " " not in uri
    assert resolve(uri, "file:///a.json") == uri


@given(st.sampled_from(("s3", "gs", "az")), keys)
def test_keys_come_back(scheme: str, key: str) -> None:
    uri = uri_of_key(scheme, "bucket", key)
    assert bucket_and_key(uri) == ("bucket", key)
    assert canonical_uri(uri) == uri


@given(st.lists(st.binary(min_size=1, max_size=8).filter(lambda b: not set(b) & {0, 47}), min_size=1, max_size=3))
def test_paths_come_back(parts: list[bytes]) -> None:
    path = os.fsdecode(b"/data/" + b"/".join(parts))
    uri = canonical_uri(Path(path))
    assert gdal_path(uri) == os.path.normpath(path)
    assert not is_remote(uri)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("file:///x/a%20b.tif", "file:///x/a%20b.tif"),
        ("FILE://localhost/x//./y/../a%20b.tif", "file:///x/a%20b.tif"),
        ("file:/x/a.tif", "file:///x/a.tif"),
        ("//x/a.tif", "file:///x/a.tif"),
        ("s3://bucket/a/b.tif", "s3://bucket/a/b.tif"),
        ("S3A://bucket/date=2020-01-01/b c+d.tif", "s3://bucket/date=2020-01-01/b%20c+d.tif"),
        ("s3://bucket/a%2Fb%7E%41.tif", "s3://bucket/a/b~A.tif"),
        ("s3://bucket/100%.tif", "s3://bucket/100%25.tif"),
        ("s3://bucket/ü.tif", "s3://bucket/%C3%BC.tif"),
        ("gcs://bucket/a", "gs://bucket/a"),
        ("abfs://container/a", "az://container/a"),
        ("HTTPS://Example.COM:443/a/../b/./c%7e%2fd.tif", "https://example.com/b/c~%2Fd.tif"),
        ("http://example.com", "http://example.com/"),
        ("http://example.com:8080/a b%.tif?X-Sig=a%2Fb%2fc&d= e", "http://example.com:8080/a%20b%25.tif?X-Sig=a%2Fb%2fc&d=%20e"),
        ("http://example.com/a//b/", "http://example.com/a//b/"),
        ("http://bücher.example/ü", "http://xn--bcher-kva.example/%C3%BC"),
        ("http://[::1]:80/a", "http://[::1]/a"),
    ],
)  # fmt: skip
def test_spellings(given: str, wanted: str) -> None:
    assert canonical_uri(given) == wanted


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("", "not the path"),
        ("a\0b", "not the path"),
        ("/vsicurl/http://x", "virtual file"),
        ("/vsizip/a", "virtual file"),
        ("//vsimem/a", "virtual file"),
        ("file:///vsis3/b/k", "virtual file"),
        ("file://host/x.tif", "another host"),
        ("file:///x.tif?a=b", "query or fragment"),
        ("ftp://host/x.tif", "'ftp' is not supported"),
        ("zip://a", "'zip' is not supported"),
        ("s3:/bucket/key", "has no host"),
        ("s3://bucket", "empty, . or .."),
        ("s3://bucket/", "empty, . or .."),
        ("s3://bucket/a/", "empty, . or .."),
        ("s3://bucket/a//b", "empty, . or .."),
        ("s3://bucket/a/%2E%2E/b", "empty, . or .."),
        ("s3://bucket/a?versionId=1", "query or fragment"),
        ("s3://bucket/a#b", "query or fragment"),
        ("s3://key:SECRET@bucket/a", "credentials"),
        ("abfss://container@account.dfs.example/a", "account"),
        ("s3://buc ket/a", "no name of a bucket"),
        ("s3://bucket/%FF", "not valid UTF-8"),
        ("s3://bucket/a%0Ab", "control"),
        ("http://user:SECRET@host/a", "credentials"),
        ("http://host/a#b", "fragment"),
        ("http:///a", "no host"),
        ("http://ho st/a", "no host"),
        ("http://host:99999/a", "not a URL"),
        ("http://[::x]/a", "not a URL"),
        ("http://host/a\nb", "control"),
        ("https://host/" + "a" * 2048 + "?X-Signature=SECRET", "at most 2,048"),
    ],
)
def test_refused(wrong: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as caught:
        canonical_uri(wrong)
    assert caught.value.parameter == "uri"
    assert "SECRET" not in str(caught.value)


def test_relative_paths_start_at_the_working_directory(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert canonical_uri("a/./b/../c.tif") == (tmp_path / "a" / "c.tif").as_uri()
    assert canonical_uri("a:b.tif") == (tmp_path / "a:b.tif").as_uri()


def test_prefixes() -> None:
    assert canonical_prefix("s3://bucket") == canonical_prefix("s3://bucket/") == "s3://bucket"
    assert canonical_prefix("s3://bucket/a/b/") == "s3://bucket/a/b"
    assert canonical_prefix("/data/x/") == "file:///data/x"


@pytest.mark.parametrize(
    ("href", "base", "wanted"),
    [
        ("B02.tif", "file:///data/a/item.json", "file:///data/a/B02.tif"),
        ("./x%20y.tif", "file:///data/a/item.json", "file:///data/a/x%20y.tif"),
        ("x y.tif", "file:///data/a/item.json", "file:///data/a/x%20y.tif"),
        ("../b/B02.tif", "file:///data/a/item.json", "file:///data/b/B02.tif"),
        ("/other/B02.tif", "file:///data/a/item.json", "file:///other/B02.tif"),
        ("file:///other/B02.tif", "file:///data/a/item.json", "file:///other/B02.tif"),
        ("https://host/B02.tif?a=b", "file:///data/a/item.json", "https://host/B02.tif?a=b"),
        ("B02.tif", "https://host/a/item.json?sig=x", "https://host/a/B02.tif"),
        ("../../../B02.tif", "https://host/a/item.json", "https://host/B02.tif"),
        ("/B02.tif", "https://host/a/item.json", "https://host/B02.tif"),
        ("//elsewhere/B02.tif", "https://host/a/item.json", "https://elsewhere/B02.tif"),
        ("?id=2", "https://host/a/item?id=1", "https://host/a/item?id=2"),
        ("s3://b/k", "https://host/a/item.json", "s3://b/k"),
        ("./B02.tif", "s3://bucket/a/item.json", "s3://bucket/a/B02.tif"),
        ("../B 02.tif", "s3://bucket/a/item.json", "s3://bucket/B%2002.tif"),
    ],
)
def test_links(href: str, base: str, wanted: str) -> None:
    assert resolve(href, base) == wanted


REMOTE = ("https://host/a/item.json", "s3://bucket/a/item.json", "gs://bucket/a/item.json", "az://c/a/item.json")


@pytest.mark.parametrize("base", REMOTE)
@pytest.mark.parametrize("href", ["file:///etc/passwd", "FILE:/etc/passwd", "file:etc/x", "file://localhost/etc/x"])
def test_remote_documents_do_not_name_local_files(href: str, base: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        resolve(href, base)
    assert caught.value.parameter == "uri"


@given(st.sampled_from(("", "file:", "/", "//", "///", "\\", " file:///")), text, st.sampled_from(REMOTE))
def test_no_link_of_a_remote_document_is_local(start: str, rest: str, base: str) -> None:
    with contextlib.suppress(InvalidInput):
        uri = resolve(start + rest, base)
        assert is_remote(uri)
        assert canonical_uri(uri) == uri


@pytest.mark.parametrize(
    ("href", "base"),
    [
        ("", "file:///a.json"),
        ("a#b", "file:///a.json"),
        ("a\0b", "file:///a.json"),
        ("C:x", "file:///a.json"),
        ("/vsicurl/http://x", "file:///a.json"),
        ("/etc/passwd", "s3://bucket/a.json"),
        ("../../x", "s3://bucket/a/b.json"),
        ("?a=b", "s3://bucket/a/b.json"),
        ("http://[x", "https://host/"),
        ("//[x", "https://host/"),
    ],
)
def test_links_that_are_none(href: str, base: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        resolve(href, base)
    assert caught.value.parameter == "uri"


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://host/a.tif?sig=SECRET", "https://host/a.tif"),
        ("https://user:SEC@RET@host/a@b.tif?sig=SECRET#SECRET", "https://host/a@b.tif"),
        ("/vsicurl/https://u:SECRET@host/a.tif?SECRET", "/vsicurl/https://host/a.tif"),
        ('NETCDF:"/vsicurl/https://host/a.nc?SECRET":sst', 'NETCDF:"/vsicurl/https://host/a.nc'),
        ("s3://bucket/a", "s3://bucket/a"),
        ("/data/a?b", "/data/a?b"),
        ("file:///data/a%3Fb", "file:///data/a%3Fb"),
    ],
)
def test_without_secret(uri: str, shown: str) -> None:
    assert without_secret(uri) == shown
