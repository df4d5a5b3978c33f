"""What a cube needs by one query is what the repositories say one by one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from prismcube.catalogue.findings import Findings
from prismcube.model.collection import Collection
from prismcube.model.entities import DatasetStatus
from prismcube.model.period import Period
from prismcube.tiff.layout import Header, Layout, Level


def header(etag: str) -> Header:
    places = np.array([[[1]]], np.uint64)
    image = Level(
        height=100, width=100, block_height=100, block_width=100, dtype="uint16", codec="zstd", predictor=1,
        big_endian=False, bands=2, planar=False, strips=True, counts=places, offsets=places,
    )  # fmt: skip
    return Header(layout=Layout(levels=(image,), nodata=0), etag=etag)


@pytest.fixture
def filled(archive: Any, make: Any) -> Any:
    """Files of two instances and several records, with and without headers; later ones were stored first."""
    for number in range(12):
        entry = archive.entry(
            f"{number}",
            record=f"r{number // 2}",
            tags={"k": str(number // 2 % 2)},
            time=make.T0 + timedelta(days=6 - number // 2),
            footprint=make.square(10 + number, 45),
            instance=archive.instances[number % 3 == 0],
            etag=str(number),
            bands=(2, 1) if number == 4 else (1, 2),
        )
        headers = {0: {}, 1: {"": Header(layout=None, reason="JPEG", etag="x")}}.get(number % 4, {"": header("h")})
        archive.catalogue.files.put_many([replace(entry, headers=headers)])
    hidden = [one.id for one in archive.catalogue.datasets.list() if one.uri == "file:///7"]
    archive.catalogue.datasets.set_status(hidden, DatasetStatus.INACTIVE)
    return archive


def told(headers: Any) -> Any:
    """Of headers, by file. The same layout is unpacked once."""
    return {key: (one.etag, one.reason, one.layout) for key, one in headers.items()}


def check(archive: Any, collection: Collection, **asked: Any) -> Findings:
    catalogue = archive.catalogue
    found: Findings = catalogue.datasets.find(collection, collection.stored_fields, **asked)
    for one in found.datasets:
        assert one == catalogue.datasets.get(one.id or 0)
        assert one.etag == catalogue.datasets.get(one.id or 0).etag
    ids = {one.record_id for one in found.datasets}
    assert found.records == sorted(catalogue.records.get_many(ids), key=lambda one: (one.time, one.id))
    assert told(found.headers) == told(catalogue.headers.of(found.datasets))
    return found


def test_everything(filled: Any) -> None:
    found = check(filled, filled.collection(instances=filled.instances))
    assert len(found.datasets) == 11
    assert len(found.records) == 6
    assert {uri for uri, _ in found.headers} == {f"file:///{number}" for number in (1, 2, 3, 5, 6, 9, 10, 11)}


@pytest.mark.parametrize("tags", [{}, {"k": "1"}, {"k": ""}, {"l": "1"}])
@pytest.mark.parametrize(("start", "end"), [(None, None), (2, None), (None, 4), (2, 4)])
@pytest.mark.parametrize("is_placed", [False, True])
def test_any_question(filled: Any, make: Any, tags: Any, start: Any, end: Any, is_placed: bool) -> None:
    days = [None if one is None else make.T0 + timedelta(days=one) for one in (start, end)]
    area = make.square(12.5, 44.5, 5) if is_placed else None
    found = check(filled, filled.collection(record_tags=tags), period=Period(*days), area=area)
    wanted = [
        number
        for number in range(12)
        if number % 3
        and number != 7
        and all(str(number // 2 % 2) == value or (key == "k" and not value) for key, value in tags.items())
        and "l" not in tags
        and (start is None or 6 - number // 2 >= start)
        and (end is None or 6 - number // 2 <= end)
        and (area is None or 11.5 <= number + 10 <= 17.5)
    ]
    assert {one.uri for one in found.datasets} == {f"file:///{number}" for number in wanted}


def test_the_same_question_of_other_values(filled: Any, make: Any) -> None:
    """A statement is made once: what it is asked must not be that of the first who asked."""
    collection = filled.collection()
    for number in (1, 4, 5, 1):
        found = check(filled, collection, period=Period(make.T0, None), area=make.square(10.25 + number, 45.25, 0.5))
        assert {one.uri for one in found.datasets} == {f"file:///{number}"}


def test_many_cells_share_a_footprint(filled: Any, make: Any) -> None:
    """What is kept of the last row's answer is of that footprint and area alone."""
    for number in range(12, 20):
        filled.add(f"{number}", footprint=make.square(20 if number % 2 else 60, 45))
    collection = filled.collection()
    for lon, wanted in ((20.5, {13, 15, 17, 19, 10}), (60.5, {12, 14, 16, 18})):
        found = check(filled, collection, area=make.square(lon, 45.2, 0.2))
        assert {one.uri for one in found.datasets} == {f"file:///{number}" for number in wanted}
