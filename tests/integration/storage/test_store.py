"""One interface to files: local, S3, HTTP."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prismcube.errors import InvalidInput, SourceError
from prismcube.storage import buckets, store
from prismcube.storage.uri import bucket_and_key, canonical_uri, gdal_path
from prismcube.storage.versions import is_current, joint_etag

DATA = bytes(range(256)) * 10
Put = Callable[[str, bytes], str]


@pytest.fixture(params=["local", "s3", "http", "signed"])
def put(request: Any, tmp_path: Path) -> Put:
    """Writes a file into one of the stores and gives its URI."""
    if request.param == "local":
        return lambda name, data: _write(tmp_path / "files" / name, data).as_uri()
    if request.param == "s3":
        client = request.getfixturevalue("s3")

        def upload(name: str, data: bytes) -> str:
            client.put_object(Bucket="images", Key=name, Body=data)
            return canonical_uri(f"s3://images/{name}")

        return upload
    web = request.getfixturevalue("web")
    query = "?X-Signature=SECRET" if request.param == "signed" else ""
    return lambda name, data: (_write(web.root / name, data), canonical_uri(f"{web.url}/{name}{query}"))[1]


def _write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_every_store_reads_alike(put: Put) -> None:
    uri = put("a/b.bin", DATA)
    status = store.stat(uri)
    assert status.size == len(DATA)
    assert status.etag
    assert " " not in status.etag
    assert status.modified is not None
    assert abs(status.modified.timestamp() - time.time()) < 60
    assert store.read(uri) == DATA
    assert store.read_range(uri, 5, 10) == DATA[5:15]
    assert store.read_range(uri, len(DATA) - 5, 100) == DATA[-5:]
    assert store.read_range(uri, len(DATA) + 5, 10) == b""
    assert store.read_range(uri, 5, 0) == b""
    assert store.exists(uri)
    assert store.stat(uri) == status


def test_every_store_tells_a_new_version(put: Put) -> None:
    uri = put("a.bin", DATA)
    first = store.stat(uri).etag
    put("a.bin", DATA[1:])
    assert store.stat(uri).etag != first


def test_every_store_refuses_alike(put: Put) -> None:
    uri = put("a.bin", DATA).replace("a.bin", "none.bin")
    assert not store.exists(uri)
    for action in (store.stat, store.read, lambda uri: store.read_range(uri, 0, 5)):
        with pytest.raises(SourceError, match="not found") as caught:
            action(uri)
        assert caught.value.uri == uri.partition("?")[0]
        assert "SECRET" not in "".join(_chain(caught.value))
    with pytest.raises(SourceError, match="more than 100 bytes"):
        store.read(put("a.bin", DATA), limit=100)
    assert store.read(put("a.bin", DATA), limit=len(DATA)) == DATA
    assert store.read(put("empty.bin", b"")) == b""
    assert store.stat(put("empty.bin", b"")).size == 0


def _chain(error: BaseException | None) -> list[str]:
    import traceback

    return traceback.format_exception(error)


def test_local_etag_is_size_and_time(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.bin", DATA)
    assert store.stat(str(path)).etag == f"{len(DATA)}-{path.stat().st_mtime_ns}"


def test_local_refusals(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        for action in (store.stat, store.read):
            with pytest.raises(SourceError, match="is not a file"):
                action(path.as_uri())
    _write(tmp_path / "a", b"")
    with pytest.raises(SourceError, match="Not a directory"):
        store.stat(str(tmp_path / "a" / "b"))
    store.delete(str(tmp_path / "a"))
    assert not store.exists(str(tmp_path / "a"))
    with pytest.raises(SourceError, match="not found"):
        store.delete(str(tmp_path / "a"))


NAMES = ("a-b.tif", "a/b c.tif", "a/b/c.tif", "a/z=1,ü+%20#?.tif", "a.tif", "a0.tif", "ü/湖.tif")


def test_listings_agree(tmp_path: Path, s3: Any) -> None:
    for name in NAMES:
        _write(tmp_path / name, b"x")
        s3.put_object(Bucket="images", Key=name, Body=b"x")
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    (tmp_path / "a" / "gone.tif").symlink_to(tmp_path / "none")
    local = list(store.list_files(str(tmp_path)))
    remote = list(store.list_files("s3://images/"))
    assert len(local) == len(NAMES)
    assert remote == [canonical_uri(uri) for uri in remote]
    assert all(store.read(uri) == b"x" for uri in local + remote)
    by_bytes = sorted(NAMES, key=str.encode)
    assert [Path(os.fsdecode(gdal_path(uri))).relative_to(tmp_path).as_posix() for uri in local] == by_bytes
    assert [bucket_and_key(uri)[1] for uri in remote] == by_bytes
    assert list(store.list_files("s3://images/a/b")) == ["s3://images/a/b/c.tif"]
    assert list(store.list_files("s3://images/none")) == []


def test_listing_goes_by_pages(s3: Any) -> None:
    for number in range(1100):
        s3.put_object(Bucket="images", Key=f"{number:05}", Body=b"")
    found = list(store.list_files("s3://images"))
    assert found == [f"s3://images/{number:05}" for number in range(1100)]


def test_listings_refused(tmp_path: Path, s3: Any) -> None:
    with pytest.raises(InvalidInput, match="no folders"):
        store.list_files("http://127.0.0.1/a/")
    with pytest.raises(SourceError, match="not found"):
        list(store.list_files(str(tmp_path / "none")))
    with pytest.raises(SourceError, match="not a folder"):
        list(store.list_files(str(_write(tmp_path / "a", b""))))
    with pytest.raises(SourceError, match="not found"):
        list(store.list_files("s3://no-such-bucket/a"))
    s3.put_object(Bucket="images", Key="a//b", Body=b"")
    with pytest.raises(SourceError, match=r"empty, \. or \.\. part"):
        list(store.list_files("s3://images"))


def test_s3_deletes(s3: Any) -> None:
    s3.put_object(Bucket="images", Key="a", Body=b"")
    store.delete("s3://images/a")
    assert not store.exists("s3://images/a")
    store.delete("s3://images/a")


def test_s3_refuses_strangers(s3: Any, monkeypatch: Any) -> None:
    s3.put_object(Bucket="images", Key="a", Body=b"x")
    s3.put_object(Bucket="images", Key="public", Body=b"x", ACL="public-read")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    buckets.forget()
    assert store.read("s3://images/public") == b"x"
    with pytest.raises(SourceError, match="access is refused"):
        store.read("s3://images/a")


def test_plain_http_must_be_allowed(s3: Any, monkeypatch: Any) -> None:
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    buckets.forget()
    with pytest.raises(SourceError, match="AWS_ALLOW_HTTP"):
        store.stat("s3://images/a")


def test_azure_needs_an_account(monkeypatch: Any) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(SourceError, match=r"[Aa]ccount"):
        store.stat("az://container/a")


def test_odd_urls_are_sent_as_they_are(web: Any) -> None:
    for path in ("/a//b", "/a%2Fb", "/a/", "/a+b%20c;d=e", "/~a/b.c"):
        web.log.clear()
        assert not store.exists(web.url + path)
        assert web.log == [f"HEAD {path}"]


def test_a_signed_url_is_a_store_of_its_own(web: Any) -> None:
    _write(web.root / "a b.bin", DATA)
    uri = canonical_uri(f"{web.url}/a b.bin?X-Sig=a%2Fb%2Bc%3D&e=1")
    assert store.stat(uri).size == len(DATA)
    assert store.read(uri) == DATA
    assert {line.split(" ")[1] for line in web.log} == {"/a%20b.bin?X-Sig=a%2Fb%2Bc%3D&e=1"}
    assert all(line.startswith("GET") for line in web.log)  # HEAD would need another signature


def test_servers_that_refuse_head(web: Any) -> None:
    _write(web.root / "a", DATA)
    web.answer = lambda method, path: 405 if method == "HEAD" else None
    assert store.stat(f"{web.url}/a").size == len(DATA)


def test_servers_without_etags(web: Any) -> None:
    path = _write(web.root / "a", DATA)
    web.etags = False
    seconds = int(path.stat().st_mtime)
    assert store.stat(f"{web.url}/a").etag == f"{len(DATA)}-{seconds}000000000"


def test_servers_without_ranges(web: Any) -> None:
    _write(web.root / "a", DATA)
    web.ranges = False
    assert store.read(f"{web.url}/a") == DATA
    assert store.stat(f"{web.url}/a?SECRET").size == len(DATA)
    with pytest.raises(SourceError, match="does not send parts"):
        store.read_range(f"{web.url}/a", 5, 10)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (403, "access is refused"),
        (401, "access is refused"),
        (410, "not found"),
        (400, "status 400"),
        (503, "status 503"),
        (-1, "can't be reached"),
    ],
)
def test_refusals_of_a_server(web: Any, status: int, reason: str) -> None:
    web.answer = lambda method, path: status
    url = f"{web.url}/a.tif?X-Sig=SECRET"
    for action in (store.stat, store.read):
        with pytest.raises(SourceError, match=reason) as caught:
            action(url)
        assert "SECRET" not in "".join(_chain(caught.value))
        told = r"a\.tif could not be read(: it is not there|: its host (fails|does not answer))?"
        assert re.fullmatch(told, caught.value.public)


def test_hosts_that_are_not_there(free_port: Any) -> None:
    for url in (f"http://127.0.0.1:{free_port()}/a?SECRET", "http://nohost.invalid/a?SECRET"):
        begin = time.monotonic()
        with pytest.raises(SourceError, match="can't be reached"):
            store.stat(url)
        assert time.monotonic() - begin < 10


def test_a_silent_host_is_given_up(monkeypatch: Any) -> None:
    monkeypatch.setitem(buckets.CLIENT, "read_timeout", "1s")
    buckets.forget()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        begin = time.monotonic()
        with pytest.raises(SourceError, match="can't be reached"):
            store.stat(f"http://127.0.0.1:{silent.getsockname()[1]}/a")
        assert 1 < time.monotonic() - begin < 10
    buckets.forget()


def test_a_host_that_drips_is_given_up(web: Any) -> None:
    _write(web.root / "a", bytes(100_000))
    web.faults["a"] = "drip"
    buckets.wait_at_most(0.2)
    try:
        with pytest.raises(buckets.TooSlow, match="sends too slowly"):
            store.read_part(f"{web.url}/a", 0, 50_000)
        with pytest.raises(buckets.TooSlow, match="sends too slowly"):
            store.read(f"{web.url}/a")
    finally:
        buckets.wait_at_most(buckets.PATIENCE)


@pytest.mark.parametrize("uri", ["http://127.0.0.1:1/a", "http://127.0.0.1:1/a?b", "gs://bucket/a"])
def test_large_requests_have_more_time(uri: str) -> None:
    sizes = (0, 1, 4 * 2**20, 4 * 2**20 + 1, 8 * 2**20, 64 * 2**20)
    times = [buckets.place(uri, size)[0].client_options["timeout"] for size in sizes]
    assert times == ["30000ms", "30000ms", "30000ms", "60000ms", "60000ms", "480000ms"]
    buckets.wait_at_most(2)
    try:
        assert buckets.place(uri)[0].client_options["timeout"] == "2000ms"
    finally:
        buckets.wait_at_most(buckets.PATIENCE)


def test_circles_of_redirects_are_told(web: Any) -> None:
    _write(web.root / "a", DATA)
    web.faults["a"] = "loop"
    for read in (store.stat, store.read, lambda uri: store.read_part(uri, 0, 2)):
        with pytest.raises(SourceError, match="redirects in circles") as caught:
            read(f"{web.url}/a?SECRET")
        assert caught.value.public == "a could not be read: its host redirects in circles"


def test_threads_share_stores(web: Any) -> None:
    _write(web.root / "a", DATA)
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(store.read(f"{web.url}/a"))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [DATA] * 16


def test_a_forked_child_is_told(web: Any) -> None:
    """obstore's own threads are gone there: without this it would wait for ever."""
    _write(web.root / "a", DATA)
    program = f"""
import os, warnings
warnings.simplefilter("ignore")
from prismcube.errors import SourceError
from prismcube.storage import buckets, store
if {{first}}:
    store.stat("{web.url}/a")
child = os.fork()
if child == 0:
    try:
        print(store.stat("{web.url}/a").size, flush=True)
    except SourceError as error:
        print(error.reason, flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""
    for first, wanted in ((True, "forked after its parent"), (False, str(len(DATA)))):
        run = subprocess.run(
            [sys.executable, "-c", program.format(first=first)], capture_output=True, text=True, timeout=60, check=True
        )
        assert wanted in run.stdout


def test_joint_versions(put: Put) -> None:
    uri, beside = put("a.tif", b"1"), put("a.tif.aux.xml", b"2")
    etag = joint_etag(store.stat(uri).etag, [(beside, store.stat(beside).etag)])
    if "?" in uri:  # a signature holds for one file: there are no sidecars
        etag = joint_etag(store.stat(uri).etag, [])
        assert is_current(uri, etag)
        return
    assert is_current(uri, etag)
    assert not is_current(uri, etag.replace("aux.xml", "none"))
    put("a.tif.aux.xml", b"345")
    assert not is_current(uri, etag)
    assert is_current(uri, store.stat(uri).etag)
    assert not is_current(uri, "other")
