"""STAC items as values, and how files differ from them."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import Any

import pystac
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pystac.errors import STACTypeError
from shapely.geometry import MultiPolygon, box, mapping

from ingester.register.claims import differences
from ingester.register.items import Item, read_item
from ingester.register.sources import Found
from prismcube.errors import SourceError
from prismcube.model.grid import Grid

BASE = "https://stac.example.com/a/item.json"


def document(**changes: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "I",
        "geometry": mapping(box(15, 45, 16, 46)),
        "bbox": [15, 45, 16, 46],
        "properties": {"datetime": "2020-01-02T03:04:05Z", "grid:code": "X", "eo:cloud_cover": 5, "list": [1]},
        "links": [],
        "assets": {"red": {"href": "red.tif", "type": "image/tiff; application=geotiff", "roles": ["data"]}},
        "collection": "C",
        **changes,
    }


def read(*, embedded: bool = False, base: str = BASE, **changes: Any) -> Item:
    return read_item(Found(item=document(**changes), base=base, embedded=embedded))


def test_values_for_templates() -> None:
    values = read().values
    assert values["id"] == "I"
    assert values["collection"] == "C"
    assert values["datetime"] == "2020-01-02T03:04:05Z"
    assert values["properties.grid:code"] == "X"
    assert values["properties.eo:cloud_cover"] == "5"
    assert "properties.list" not in values


def test_items_that_last() -> None:
    span = {"datetime": None, "start_datetime": "2020-01-01T00:00:00Z", "end_datetime": "2020-12-31T12:00:00+02:00"}
    values = read(properties=span).values
    assert (values["datetime"], values["start"], values["end"]) == (
        "2020-01-01T00:00:00Z",
        "2020-01-01T00:00:00Z",
        "2020-12-31T10:00:00Z",
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"id": None},
        {"id": 5},
        {"assets": []},
        {"properties": {}},
        {"properties": {"datetime": "yesterday"}},
        {"properties": {"datetime": None}},
        {"properties": None},
        {"stac_version": 5},
        {"links": 5},
        {"stac_version": None},
        {"collection": {"a": 1}},
        {"collection": 5},
        {"properties": {"datetime": 5}},
        {"properties": {"datetime": "0001-01-01T00:00:00+14:00"}},
        {"properties": {"datetime": "9999-12-31T23:59:59-14:00"}},
        {"properties": {"datetime": "2020-01-01T00:00:00Z", "end_datetime": "9999-12-31T23:59:59-14:00"}},
        {"properties": {"datetime": None, "start_datetime": ["2020"]}},
    ],
)
def test_what_is_no_item(changes: dict[str, Any]) -> None:
    with pytest.raises(SourceError, match=r"https://stac\.example\.com/a/item\.json"):
        read(**changes)


@pytest.mark.parametrize("error", [STACTypeError({"a": 1}, pystac.Item), KeyError("x"), RecursionError("deep"),
                                   OverflowError("y"), TypeError("z" * 5000)])  # fmt: skip
def test_whatever_pystac_raises_is_told_of_the_item(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr(pystac.Item, "from_dict", fail)
    with pytest.raises(SourceError, match=r"item\.json item 'I': is no STAC item") as raised:
        read(embedded=True)
    assert len(raised.value.reason) < 300


def test_places_of_assets() -> None:
    hrefs = {
        "relative": "b/c.tif",
        "remote": "https://other.example.com/c.tif",
        "signed": "https://other.example.com/c.tif?sig=1",
        "local": "file:///etc/c.tif",
    }
    assets = {key: {"href": href} for key, href in hrefs.items()}
    assets |= {"none": {}, "elsewhere": {"alternate": {"s3": {"href": "s3://bucket/c.tif"}}}, "wrong": 5}  # type: ignore[dict-item]
    found = {one.key: one for one in read(assets=assets).assets}
    assert found["relative"].uri == "https://stac.example.com/a/b/c.tif"
    assert found["remote"].uri == "https://other.example.com/c.tif"
    assert found["signed"].uri.endswith("?sig=1")
    assert found["local"].uri == ""
    assert found["local"].problem
    assert found["none"].problem == "has no href"
    assert found["elsewhere"].uri == "s3://bucket/c.tif"
    assert "wrong" not in found


def test_where_an_embedded_item_lies() -> None:
    link = {"rel": "self", "href": "https://stac.example.com/items/I/item.json"}
    for embedded, uri in (
        (True, "https://stac.example.com/items/I/red.tif"),
        (False, "https://stac.example.com/a/red.tif"),
    ):
        assert read(embedded=embedded, links=[link]).assets[0].uri == uri
    lies = read(embedded=True, links=[{"rel": "self", "href": "file:///data/item.json"}])
    assert lies.assets[0].uri == "https://stac.example.com/a/red.tif"


@pytest.mark.parametrize(
    ("asset", "reason"),
    [
        ({"type": "image/tiff"}, ""),
        ({"type": "image/jp2", "roles": ["metadata", "cloud"]}, ""),
        ({"type": "IMAGE/TIFF; profile=cloud-optimized", "roles": ["data"]}, ""),
        ({}, ""),
        ({"type": "image/tiff", "roles": ["overview"]}, "is a picture (role overview)"),
        ({"type": "application/xml"}, "is application/xml"),
        ({"roles": ["metadata"]}, "is metadata"),
    ],
)
def test_what_may_be_a_raster(asset: dict[str, Any], reason: str) -> None:
    [found] = read(assets={"a": {"href": "a", **asset}}).assets
    assert found.not_data == reason


def test_geometry() -> None:
    assert read().geometry == MultiPolygon([box(15, 45, 16, 46)])
    beyond = read(geometry=mapping(box(179, 0, 181, 1))).geometry
    assert beyond is not None
    assert beyond.bounds == (-180, 0, 180, 1)
    for odd in (
        None,
        {},
        {"type": "Polygon"},
        {"type": "Blob", "coordinates": []},
        {"type": "Point", "coordinates": ["a"]},
    ):
        assert read(geometry=odd).geometry is None


def header(**changes: Any) -> Any:
    values = {
        "uri": "file:///a/red.tif",
        "slant": None,
        "grid": Grid("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_000_000), 20, 30),
        "count": 1,
        "dtypes": ("uint16",),
        "nodata": (0.0,),
        "driver": "GTiff",
        "footprint": MultiPolygon([box(15, 45, 16, 46)]),
    }
    return SimpleNamespace(**(values | changes))


def told(properties: dict[str, Any] | None = None, asset: dict[str, Any] | None = None, **file: Any) -> tuple[str, ...]:
    changes: dict[str, Any] = {"geometry": file.pop("geometry")} if "geometry" in file else {}
    time = {"datetime": "2020-01-01T00:00:00Z"}
    item = read(properties={**time, **(properties or {})}, assets={"a": {"href": "a.tif", **(asset or {})}}, **changes)
    return differences(item, item.assets[0], header(**file))


def test_nothing_to_tell() -> None:
    said = {
        "proj:epsg": 32633,
        "proj:shape": [20, 30],
        "proj:transform": [10, 0, 500_000.0000000001, 0, -10, 5_000_000, 0, 0, 1],
        "raster:bands": [{"nodata": 0, "data_type": "uint16"}],
        "type": "image/tiff; application=geotiff",
        "roles": ["data"],
    }
    assert told(said) == told(asset=said) == ()
    assert told({"proj:epsg": None, "proj:shape": "x", "proj:transform": [1, "a"], "raster:bands": 5}) == ()
    assert told(asset={"bands": [{"nodata": "nan"}]}, nodata=(float("nan"),), dtypes=("float32",)) == ()


@pytest.mark.parametrize(
    ("said", "file", "note"),
    [
        ({"proj:epsg": 32634}, {}, "proj:epsg is 32634, the file's is EPSG:32633"),
        ({"proj:code": "EPSG:4326"}, {}, "proj:code is EPSG:4326, the file's is EPSG:32633"),
        ({"proj:wkt2": "nonsense"}, {}, "proj:wkt2 is 'nonsense', which is no coordinate reference system"),
        ({"proj:code": "; drop"}, {}, "proj:code is '; drop', which is no coordinate reference system"),
        ({"proj:shape": [10, 30]}, {}, "proj:shape is 10 x 30, the file has 20 x 30 pixels"),
        (
            {"proj:transform": [10, 0, 500_005, 0, -10, 5_000_000]},
            {},
            "(10, 0, 500005, 0, -10, 5000000), the file's is",
        ),
        ({"raster:bands": [{}, {}]}, {}, "raster:bands names 2 band(s), the file has 1"),
        ({"raster:bands": [{"data_type": "int16"}]}, {}, "data_type of band 1 is int16, the file's is uint16"),
        ({"raster:bands": [{"nodata": -1}]}, {}, "nodata of band 1 is -1, 0 in the file"),
        ({"raster:bands": [{"nodata": -1}]}, {"nodata": (None,)}, "nodata of band 1 is -1, not said by the file"),
        ({"bands": [{"nodata": 1, "data_type": "uint16"}]}, {}, "nodata of band 1 is 1, 0 in the file"),
        ({"nodata": 1}, {}, "nodata of band 1 is 1, 0 in the file"),
        ({"type": "image/tiff"}, {"driver": "JP2OpenJPEG"}, "type is image/tiff, the file is JP2OpenJPEG"),
        ({"roles": ["thumbnail"]}, {}, "the item says that it is a picture (role thumbnail), the file is a raster"),
        ({}, {"geometry": mapping(box(100, 0, 101, 1))}, "the item's geometry lies elsewhere than the file"),
        ({}, {"geometry": mapping(box(15, 45, 17, 46))}, "50% of the item's geometry lies outside the file"),
    ],
)
def test_differences(said: dict[str, Any], file: dict[str, Any], note: str) -> None:
    [one] = told(asset=said, **file)
    assert note in one


def test_items_inherit_to_their_assets() -> None:
    assert told({"proj:shape": [1, 1]}, {"proj:shape": [20, 30]}) == ()
    assert len(told({"proj:shape": [1, 1]})) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
CLAIMS = ("proj:epsg", "proj:code", "proj:wkt2", "proj:projjson", "proj:shape", "proj:transform", "raster:bands",
          "bands", "nodata", "data_type", "file:size", "eo:bands", "type", "roles")  # fmt: skip


@given(st.dictionaries(st.sampled_from(CLAIMS), JSON, max_size=3))
def test_any_claim_is_compared_or_refused(said: dict[str, Any]) -> None:
    try:
        found = told(asset=said)
    except SourceError:
        return
    assert all(isinstance(note, str) for note in found)


@given(st.sampled_from(("geometry", "properties", "links", "assets", "collection", "stac_version", "bbox")), JSON)
def test_any_item_is_read_or_refused(key: str, value: Any) -> None:
    with contextlib.suppress(SourceError):
        read(**{key: value})
