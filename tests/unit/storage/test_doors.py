"""Which files strangers may have read."""

from __future__ import annotations

from pathlib import Path

import pytest

from prismcube.storage.doors import Closed, Doors, is_public_address


@pytest.mark.parametrize("address", ["8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8"])
def test_public_addresses(address: str) -> None:
    assert is_public_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1%eth0", "fd00:ec2::254", "::ffff:10.0.0.1", "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1", "ff02::1", "::7f00:1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public_address(address)


ROOTS = ("s3://bucket/prefix", "gs://whole", "http://10.0.0.5:9000", "https://data.example/a")


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket/prefix/a.tif",
        "gs://whole/a/b.tif",
        "http://10.0.0.5:9000/a.tif",
        "http://10.0.0.5:9000/a%2Fb.tif?sig=1",
        "https://data.example/a/b.tif?sig=%2F",
    ],
)
def test_below_the_roots(uri: str) -> None:
    Doors(roots=ROOTS, public_http=False).check([uri])


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket/prefixes/a.tif",
        "s3://bucket/prefix",
        "s3://bucket2/prefix/a.tif",
        "gs://wholes/a.tif",
        "http://10.0.0.5:90001/a.tif",
        "http://10.0.0.5/a.tif",
        "https://10.0.0.5:9000/a.tif",
        "https://data.example/ab/c.tif",
        "https://data.example/a/..%2Fsecret",
        "https://data.example/a/..%5csecret",
        "https://data.example.evil/a/b.tif",
    ],
)
def test_beside_the_roots(uri: str) -> None:
    with pytest.raises(Closed, match="below the configured roots only"):
        Doors(roots=ROOTS, public_http=False).check([uri])


def test_links_count_where_they_lead(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "real")
    (tmp_path / "root" / "out").symlink_to("/etc/passwd")
    doors = Doors(roots=(f"file://{tmp_path}/root",))
    doors.check([f"file://{tmp_path}/root/a.tif", f"file://{tmp_path}/real/a.tif"])
    for name in ("root/out", "rooted/a.tif", "a.tif"):
        with pytest.raises(Closed):
            doors.check([f"file://{tmp_path}/{name}"])


def test_the_whole_machine_may_be_a_root() -> None:
    Doors(roots=("file:///",)).check(["file:///data/a.tif"])


def test_secrets_are_not_told() -> None:
    with pytest.raises(Closed) as refused:
        Doors().check(["http://127.0.0.1/a.tif?sig=hush"])
    assert "hush" not in str(refused.value)
