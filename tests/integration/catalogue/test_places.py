"""Places: the areas of a collection's records, on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from shapely.geometry import box

from prismcube.errors import NotFound
from prismcube.model.entities import DatasetStatus
from prismcube.model.period import Period


def test_places_are_the_areas_of_records_that_readers_see(archive: Any, make: Any) -> None:
    day = timedelta(days=1)
    here, there = make.square(15, 45), make.square(20, 50)
    for number, (area, tags) in enumerate([(here, {"s": "1"}), (there, {"s": "1"}), (here, {"s": "1"}), (here, {})]):
        archive.add(f"{number}", footprint=area, tags=tags, time=make.T0 + number * day)
    archive.add("hidden", footprint=make.square(30, 0), tags={"s": "1"}, status=DatasetStatus.INACTIVE)
    archive.add("other", footprint=make.square(31, 0), tags={"s": "1"}, instance=archive.instances[1])
    collection = archive.collection(record_tags={"s": "1"})
    places = archive.catalogue.places
    first, second = places.list(collection)
    assert (first.records, first.start, first.end) == (2, make.T0, make.T0 + 2 * day)
    assert (second.records, second.start) == (1, make.T0 + day)
    assert first.geometry.equals(here)
    assert places.list(collection, limit=1) == [first]
    assert places.list(collection, after=first.id) == [second]
    assert places.list(collection, area=box(19, 49, 21, 51)) == [second]
    assert [one.id for one in places.list(collection, period=Period(make.T0 + 2 * day, None))] == [first.id]
    assert places.get(collection, second.id) == second
    with pytest.raises(NotFound):
        places.get(collection, 10**9)
