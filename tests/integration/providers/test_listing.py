"""`/collections` from the catalogue: filters, pages and rights on both databases."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from shapely.geometry import MultiPolygon, box

from prismcube.catalogue import Catalogue, FileEntry, Holding
from prismcube.cube.gate import MemoryGate
from prismcube.errors import InvalidInput
from prismcube.model.access import EVERYONE, Access, Rule, Scope
from prismcube.model.collection import Collection, StoredField
from prismcube.model.entities import Container, Dataset, Instance, Record, Variable
from prismcube.model.formats import DataFormat, ValueMapping
from prismcube.model.grid import Grid
from prismcube.model.pattern import Pattern
from providers.ogc.answer import Context, Request
from providers.ogc.listing import collections_document

FORMAT = DataFormat(dtype="uint16", nodata=0)
LAKES = {
    "id": "lakes",
    "title": "Lakes",
    "description": "Still waters",
    "keywords": ["water"],
    "extent": {"spatial": {"bbox": [[10, 47, 13, 49]]}, "temporal": {"interval": [["2000-01-01T00:00:00Z", None]]}},
}


@pytest.fixture
def context(catalogue: Catalogue, tmp_path: Path) -> Context:
    """Three collections with data: `alps` 2015, `fiji` 2016 across the date line, `polar` 2017; and `none` without."""
    from affine import Affine

    variable = catalogue.variables.put(Variable(name="v", bands=("a",), format=FORMAT))[0]
    told = {
        "alps": (2015, [box(5, 44, 16, 48)], "Alps", "Mountains of  Europe", ("snow", "Été")),
        "fiji": (2016, [box(176, -20, 180, -15), box(-180, -20, -178, -15)], "Fiji", "Islands", ("sea",)),
        "polar": (2017, [box(-180, 80, 180, 90)], "North", "Ice and snow", ()),
    }
    for name, (year, boxes, title, description, keywords) in told.items():
        instance = catalogue.instances.put(Instance(variable_id=variable.id or 0, name=name))[0]
        time = datetime(year, 6, 1, tzinfo=UTC)
        dataset = Dataset(
            record_id=0, instance_id=instance.id or 0, container_id=0, time=time, uri="", bands=(1,), format=FORMAT,
            mapping=ValueMapping(), grid=Grid("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_000_000), 10, 10),
            footprint=MultiPolygon(boxes),
        )  # fmt: skip
        holding = Holding(record=Record(name=name, time=time), datasets=(dataset,))
        catalogue.files.put_many([FileEntry(container=Container(uri=f"file:///{name}"), holdings=(holding,))])
        field = StoredField(name="a", instance_id=instance.id or 0, band=0, format=FORMAT)
        catalogue.collections.put(
            Collection(name=name, title=title, description=description, keywords=keywords, fields=(field,))
        )
    catalogue.collections.put(Collection(name="none", title="100% of nothing_"))
    limits: Any = SimpleNamespace(items=1000, default_items=10)
    return Context(catalogue=catalogue, limits=limits, temporary=tmp_path, memory=MemoryGate(1))


def names(context: Context, **query: str) -> list[str]:
    pairs = [(name.replace("_", "-"), value) for name, value in query.items()]
    return [one["id"] for one in collections_document(context, Request(query=pairs))["collections"]]


@pytest.mark.parametrize(
    ("bbox", "expected"),
    [
        ("10,45,11,46", ["alps"]),
        ("16,48,20,50", ["alps"]),  # a corner is enough
        ("16.0000001,48,20,50", []),
        ("10,45,10,45", ["alps"]),  # a point
        ("177,-18,-179,-17", ["fiji"]),
        ("0,0,1,1", []),
        ("-180,-90,180,90", ["alps", "fiji", "polar"]),
        ("10,45,0,11,46,9000", ["alps"]),  # heights, which nothing has
    ],
)
def test_bbox(context: Context, bbox: str, expected: list[str]) -> None:
    assert names(context, bbox=bbox) == expected


def test_bbox_crs_decides_the_order(context: Context) -> None:
    uri = "http://www.opengis.net/def/crs/EPSG/0/4326"
    assert names(context, bbox="45,10,46,11", bbox_crs=uri) == ["alps"]
    assert names(context, bbox="10,45,11,46", bbox_crs=uri) == []
    mercator = "http://www.opengis.net/def/crs/EPSG/0/3857"
    assert names(context, bbox="1113194,5621521,1224514,5780349", bbox_crs=mercator) == ["alps"]


@pytest.mark.parametrize(
    ("period", "expected"),
    [
        ("2015", ["alps"]),
        ("2015-06-01", ["alps"]),
        ("2015-06-02/2016-05-31", []),
        ("../2016-06-01T00:00:00Z", ["alps", "fiji"]),
        ("2016-06-01T00:00:00Z/..", ["fiji", "polar"]),
        ("../..", ["alps", "fiji", "polar"]),
    ],
)
def test_datetime(context: Context, period: str, expected: list[str]) -> None:
    assert names(context, datetime=period) == expected


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("SNOW", ["alps", "polar"]),  # a keyword and a description
        ("fiji,north", ["fiji", "polar"]),  # any of the terms
        ("mountains of europe", ["alps"]),  # words in their order, whatever the white space
        ("mountains  of\teurope", ["alps"]),
        ("europe mountains", []),
        ("alps mountains", []),  # no term spans two texts
        ("ÉTÉ", ["alps"]),
        ("%", ["none"]),
        ("_", ["none"]),
        ("100% of", ["none"]),
        ("'; DROP TABLE collection; --", []),
    ],
)
def test_q(context: Context, q: str, expected: list[str]) -> None:
    assert names(context, q=q) == expected


@pytest.mark.parametrize("q", [",", "a,,b", " ", ",".join(map(str, range(21)))])
def test_q_must_hold_terms(context: Context, q: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        names(context, q=q)
    assert caught.value.parameter == "q"


def test_filters_hold_together(context: Context) -> None:
    assert names(context, q="snow", datetime="2017", bbox="0,80,1,81") == ["polar"]
    assert names(context, q="snow", datetime="2016") == []


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 100])
def test_pages_hold_all_in_one_order_with_those_of_others(context: Context, limit: int) -> None:
    from dataclasses import replace
    from urllib.parse import parse_qsl, urlsplit

    both = replace(context, others=lambda: [{"id": "Zoo", "title": "before a"}, LAKES])
    seen, query = [], [("limit", str(limit))]
    while True:
        document = collections_document(both, Request(query=query))
        assert document["numberReturned"] == len(document["collections"]) <= limit
        seen += [one["id"] for one in document["collections"]]
        following = [one["href"] for one in document["links"] if one["rel"] == "next"]
        if not following:
            break
        query = parse_qsl(urlsplit(following[0]).query)
    assert seen == ["Zoo", "alps", "fiji", "lakes", "none", "polar"]
    assert ("numberMatched" in document) == (limit >= 6)


def test_filters_are_asked_of_others_too(context: Context) -> None:
    from dataclasses import replace

    both = replace(context, others=lambda: [LAKES])
    assert names(both, q="water") == ["lakes"]
    assert names(both, bbox="12,48.5,12,48.5") == ["lakes"]
    assert names(both, bbox="12,50,12,50") == []
    assert names(both, datetime="1999") == []
    assert names(both, datetime="2030") == ["lakes"]


def test_what_may_not_be_read_is_nowhere(context: Context) -> None:
    from dataclasses import replace

    hidden = (Rule(Pattern("fiji"), frozenset(), frozenset()), Rule(Pattern("lake*"), frozenset(), frozenset()))
    access = Access(subjects=frozenset({EVERYONE}), scopes=frozenset({Scope.READ}), rules=hidden)
    mine = replace(context, access=access, others=lambda: [LAKES])
    assert names(mine) == ["alps", "none", "polar"]
    assert names(mine, limit="2") == ["alps", "none"]
    assert names(mine, q="fiji,water") == names(mine, datetime="2016") == names(mine, bbox="177,-18,178,-17") == []
    document = collections_document(mine, Request())
    assert document["numberMatched"] == 3
    nobody = Access(subjects=frozenset({EVERYONE}), scopes=frozenset())
    assert names(replace(context, access=nobody)) == []


def test_others_win_a_name_as_requests_for_it_do(context: Context) -> None:
    from dataclasses import replace

    both = replace(context, others=lambda: [{"id": "alps", "title": "theirs"}])
    document = collections_document(both, Request())
    assert [one["title"] for one in document["collections"] if one["id"] == "alps"] == ["theirs"]
