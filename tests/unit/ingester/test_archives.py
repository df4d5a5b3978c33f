"""Members of archives by pattern."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.archives import fits, is_pattern, resolved
from prismcube.errors import SourceError


@pytest.fixture
def archive(tmp_path: Path) -> str:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        for name in ("G/1/B01.jp2", "G/1/B02.jp2", "G/ü[1].jp2", "MTD.xml"):
            file.writestr(name, name * 1000)
        file.mkdir("G/empty.jp2")
    return (tmp_path / "a.zip").as_uri()


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("zip/G/*_B01.jp2", None),
        ("zip/G/*B01.jp2", "zip/G/1/B01.jp2"),
        ("zip/G/?/B02.jp2", "zip/G/1/B02.jp2"),
        ("zip/*[1].jp2", "zip/G/ü[1].jp2"),
        ("zip/G/*empty.jp2", None),
    ],
)
def test_resolved(archive: str, pattern: str, name: str | None) -> None:
    assert is_pattern(pattern)
    if name:
        assert resolved(archive, pattern) == name
    else:
        with pytest.raises(SourceError, match="has 0 members that fit"):
            resolved(archive, pattern)


def test_more_than_one(archive: str) -> None:
    with pytest.raises(SourceError, match=r"has 2 members .* \(zip/G/1/B01.jp2, zip/G/1/B02.jp2\); one is needed"):
        resolved(archive, "zip/*/B*.jp2")


@given(st.binary(max_size=200))
def test_what_is_no_archive(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.mktemp("zip") / "a.zip"
    file.write_bytes(data)
    with pytest.raises(SourceError, match=r"a\.zip"):
        resolved(file.as_uri(), "zip/*")


@given(st.text(), st.text())
def test_a_name_without_signs_fits_itself_only(one: str, other: str) -> None:
    assert fits(one, one)
    if "*" not in other and "?" not in other:
        assert fits(one, other) is (one == other)
