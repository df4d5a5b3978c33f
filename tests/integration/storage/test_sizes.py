"""How large files are together, asked for no more often than estimates may."""

from __future__ import annotations

from pathlib import Path

import pytest

from prismcube.storage import sizes
from prismcube.storage.sizes import Sizes
from prismcube.storage.store import stat


@pytest.fixture
def uri(tmp_path: Path) -> str:
    (tmp_path / "a.bin").write_bytes(b"12345")
    return (tmp_path / "a.bin").as_uri()


def test_files_are_asked_for_once_each(uri: str) -> None:
    asked: list[int] = []
    found = Sizes(stop=lambda: asked.append(1))
    found.add(uri)
    found.add(uri, etag="no size in it")
    found.add(uri + ".gone")
    assert (found.total, len(asked)) == (10, 3)


def test_what_is_stored_of_a_local_file_tells_its_size(uri: str) -> None:
    asked: list[int] = []
    found = Sizes(stop=lambda: asked.append(1))
    found.add(uri + ".gone", etag=stat(uri).etag)
    assert (found.total, asked) == (5, [])


def test_an_etag_of_a_store_is_no_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "MOST_REMOTE", 0)
    found = Sizes(stop=lambda: None)
    found.add("s3://bucket/a.tif", etag="123-5")  # of a file that was put there in parts
    assert found.total is None


def test_one_that_can_not_be_told_makes_the_sum_unknown(uri: str, tmp_path: Path, monkeypatch) -> None:
    found = Sizes(stop=lambda: None)
    found.add(tmp_path.as_uri())
    found.add(uri)
    assert found.total is None
    monkeypatch.setattr(sizes, "MOST_LOCAL", 1)
    found = Sizes(stop=lambda: None)
    found.add(uri)
    assert found.total == 5
    found.add(uri)
    assert found.total is None
