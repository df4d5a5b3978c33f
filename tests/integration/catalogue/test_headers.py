"""Stored headers: kept with their container and of one state of the file; the same on both databases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from prismcube.catalogue import Catalogue, Change
from prismcube.tiff.layout import Header, Layout, Level


def layout(blocks: int = 3) -> Layout:
    counts = np.arange(1, blocks + 1, dtype=np.uint64).reshape(1, blocks, 1)
    image = Level(
        height=100, width=100, block_height=-(-100 // blocks), block_width=100, dtype="uint16", codec="zstd",
        predictor=2, big_endian=False, bands=2, planar=False, strips=True, counts=counts,
        offsets=counts * np.uint64(100),
    )  # fmt: skip
    return Layout(levels=(image,), nodata=0)


def put(archive: Any, name: str, header: Header, **changes: Any) -> Any:
    entry = replace(archive.entry(name, **changes), headers={"": header})
    return archive.catalogue.files.put_many([entry], replace=True)[0]


def found(catalogue: Catalogue) -> dict[tuple[str, str], Any]:
    return catalogue.headers.of(catalogue.datasets.list(limit=1000))


def test_what_is_stored_comes_back(archive: Any) -> None:
    catalogue = archive.catalogue
    assert put(archive, "a", Header(layout=layout(), etag="1")) is Change.CREATED
    put(archive, "b", Header(layout=None, reason="JPEG compression", etag="2"), etag="2")
    archive.add("c")
    headers = found(catalogue)
    assert {uri for uri, _ in headers} == {"file:///a", "file:///b"}
    level = headers["file:///a", ""].layout.levels[0]
    np.testing.assert_array_equal(level.offsets, layout().levels[0].offsets)
    np.testing.assert_array_equal(level.counts, layout().levels[0].counts)
    assert level.describes_like(layout().levels[0])
    assert headers["file:///b", ""].layout is None
    assert headers["file:///b", ""].reason == "JPEG compression"
    states = catalogue.headers.states(["file:///a", "file:///b", "file:///c"])
    assert {uri: (one[""].etag, one[""].reason) for uri, one in states.items()} == {
        "file:///a": ("1", ""),
        "file:///b": ("2", "JPEG compression"),
    }


def test_the_same_layout_is_unpacked_once(archive: Any) -> None:
    put(archive, "a", Header(layout=layout(), etag="1"))
    first, second = (found(archive.catalogue)["file:///a", ""].layout for _ in range(2))
    assert first is second


def test_a_changed_file_has_its_new_header_and_no_old_ones(archive: Any) -> None:
    catalogue = archive.catalogue
    put(archive, "a", Header(layout=layout(), etag="1"))
    [container] = catalogue.containers.list()
    catalogue.headers.put(container.id, {"GTIFF_DIR:2": Header(layout=layout(), etag="1")})
    assert {*catalogue.headers.states(["file:///a"])["file:///a"]} == {"", "GTIFF_DIR:2"}
    assert put(archive, "a", Header(layout=layout(5), etag="2"), etag="2") is Change.UPDATED
    assert {*catalogue.headers.states(["file:///a"])["file:///a"]} == {""}
    assert found(catalogue)["file:///a", ""].layout.levels[0].blocks == (5, 1)


def test_a_file_that_is_known_gets_the_header_that_it_lacked(archive: Any) -> None:
    """As after an upgrade."""
    archive.add("a")
    assert found(archive.catalogue) == {}
    assert put(archive, "a", Header(layout=layout(), etag="1")) is Change.UNCHANGED
    assert found(archive.catalogue)["file:///a", ""].etag == "1"
    assert put(archive, "a", Header(layout=layout(4), etag="1")) is Change.UNCHANGED
    assert found(archive.catalogue)["file:///a", ""].layout.levels[0].blocks == (4, 1)


def test_headers_go_with_their_container(archive: Any) -> None:
    catalogue = archive.catalogue
    put(archive, "a", Header(layout=layout(), etag="1"))
    catalogue.datasets.delete([one.id for one in catalogue.datasets.list()])
    catalogue.containers.delete([one.id for one in catalogue.containers.list()])
    assert catalogue.headers.states(["file:///a"]) == {}


def test_a_layout_of_another_version_is_left_to_gdal(archive: Any) -> None:
    from sqlalchemy import update

    from prismcube.catalogue.tables import tiff_header

    put(archive, "a", Header(layout=layout(), etag="1"))
    with archive.catalogue.transaction() as unit:
        unit.connection.execute(update(tiff_header).values(packed=b"\xff\0\0\0\0"))
    header = found(archive.catalogue)["file:///a", ""]
    assert header.layout is None
    assert "another version" in header.reason


def test_hundreds_in_one_go(archive: Any) -> None:
    header = Header(layout=layout(), etag="1")
    entries = [replace(archive.entry(str(number)), headers={"": header}) for number in range(250)]
    archive.catalogue.files.put_many(entries)
    assert len(found(archive.catalogue)) == 250
