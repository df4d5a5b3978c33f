"""Geometries beyond the date line, moved onto the globe."""

from __future__ import annotations

import math

import pytest
import shapely
from hypothesis import assume, given
from hypothesis import strategies as st
from shapely.geometry import LineString, MultiPoint, MultiPolygon, Point, Polygon, box

from prismcube.errors import InvalidInput
from prismcube.model.globe import box_on_globe, on_globe

GLOBE = box(-180, -90, 180, 90)
quarter_degrees = st.integers(-720 * 4, 720 * 4).map(lambda n: n / 4)
widths = st.integers(1, 359 * 4).map(lambda n: n / 4)
latitudes = st.integers(-90 * 4, 90 * 4).map(lambda n: n / 4)


@st.composite
def boxes(draw: st.DrawFn) -> tuple[float, float, float, float]:
    """Boxes of some area, less than once around, in [-720, 720]."""
    west, width = draw(quarter_degrees), draw(widths)
    south, north = sorted((draw(latitudes), draw(latitudes)))
    assume(south < north)
    assume(west + width <= 720)
    return west, south, west + width, north


def holds(geometry: shapely.Geometry, lon: float, lat: float) -> bool:
    """True when a point of the globe lies in a geometry; the date line is on both sides."""
    lon = (lon + 180) % 360 - 180
    return any(geometry.intersects(Point(side, lat)) for side in ((lon, 180) if lon == -180 else (lon,)))


@given(boxes())
def test_area_stays(edges: tuple[float, float, float, float]) -> None:
    moved = on_globe(box(*edges))
    assert isinstance(moved, MultiPolygon)
    assert moved.is_valid
    assert GLOBE.covers(moved)
    assert math.isclose(moved.area, box(*edges).area)


@given(boxes(), st.floats(0, 1), st.floats(0, 1), st.integers(-2, 2))
def test_places_stay(edges: tuple[float, float, float, float], x: float, y: float, turn: int) -> None:
    west, south, east, north = edges
    inside = west + 0.1 + x * (east - west - 0.2), south + 0.1 + y * (north - south - 0.2)
    outside = east + 0.01 + x * (360 - (east - west) - 0.02), inside[1]
    moved = on_globe(box(*edges))
    assert holds(moved, inside[0] + 360 * turn, inside[1])
    assert not holds(moved, outside[0] + 360 * turn, outside[1])


@given(boxes())
def test_a_second_time_changes_nothing(edges: tuple[float, float, float, float]) -> None:
    once = on_globe(box(*edges))
    assert on_globe(once).equals(once)


@given(boxes())
def test_a_box_is_its_polygon(edges: tuple[float, float, float, float]) -> None:
    west, south, east, north = edges
    wanted = on_globe(box(*edges))
    assert box_on_globe(*edges).equals(wanted)
    # The way of RFC 7946: both longitudes on the globe, the western one larger across the date line.
    lon0, lon1 = (west + 180) % 360 - 180, (east + 180) % 360 - 180
    if lon0 > lon1:
        assert box_on_globe(lon0, south, lon1, north).equals(wanted)


@pytest.mark.parametrize(
    ("edges", "parts"),
    [
        ((170, -10, -170, 10), [(-180, -10, -170, 10), (170, -10, 180, 10)]),
        ((170, -10, 190, 10), [(-180, -10, -170, 10), (170, -10, 180, 10)]),
        ((180, -10, 190, 10), [(-180, -10, -170, 10)]),
        ((170, -10, 180, 10), [(170, -10, 180, 10)]),
        ((180, -10, -170, 10), [(-180, -10, -170, 10)]),
        ((0, -90, 360, 90), [(-180, -90, 180, 90)]),
        ((-200, -90, 200, 90), [(-180, -90, 180, 90)]),
        ((-180, -90, 180, 90), [(-180, -90, 180, 90)]),
        ((530, 0, 550, 1), [(-180, 0, -170, 1), (170, 0, 180, 1)]),
    ],
)
def test_boxes(edges: tuple[float, float, float, float], parts: list[tuple[float, float, float, float]]) -> None:
    found = box_on_globe(*edges)
    assert isinstance(found, MultiPolygon)
    assert sorted(part.bounds for part in found.geoms) == parts


def test_boxes_without_area() -> None:
    assert box_on_globe(5, 6, 5, 6).equals(Point(5, 6))
    assert box_on_globe(365, 6, 365, 6).equals(Point(5, 6))
    assert box_on_globe(180, 6, 180, 6).equals(Point(180, 6))
    assert box_on_globe(5, 6, 5, 7).equals(LineString([(5, 6), (5, 7)]))
    assert box_on_globe(175, 6, -175, 6).equals(
        shapely.union_all([LineString([(175, 6), (180, 6)]), LineString([(-180, 6), (-175, 6)])])
    )


@pytest.mark.parametrize(
    ("edges", "reason"),
    [
        ((0, -91, 1, 0), "latitudes"),
        ((0, 0, 1, 90.1), "latitudes"),
        ((0, 10, 1, 0), "southern one first"),
        ((-721, 0, 1, 1), "longitudes"),
        ((0, 0, 721, 1), "longitudes"),
        ((math.nan, 0, 1, 1), "finite"),
        ((0, 0, math.inf, 1), "finite"),
    ],
)
def test_no_boxes(edges: tuple[float, float, float, float], reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as caught:
        box_on_globe(*edges)
    assert caught.value.parameter == "bbox"


def test_other_geometries() -> None:
    assert on_globe(Point(190, 5)).equals(Point(-170, 5))
    assert on_globe(Point(180, 5)).equals(Point(180, 5))
    assert on_globe(Point(540, 5)).equals(Point(-180, 5))
    assert on_globe(Point(1, 2, 3)) == Point(1, 2)
    assert on_globe(MultiPoint([(0, 0), (200, 0)])).equals(MultiPoint([(0, 0), (-160, 0)]))
    assert on_globe(LineString([(170, 0), (190, 0)])).length == 20
    assert on_globe(Polygon()).geom_type == "MultiPolygon"
    bow = on_globe(Polygon([(170, 0), (190, 10), (190, 0), (170, 10)]))
    assert bow.is_valid
    assert math.isclose(bow.area, 100)
    assert on_globe(box(0, 80, 10, 95)).bounds == (0, 80, 10, 90)


def test_no_places() -> None:
    for wrong in (Point(721, 0), Polygon([(0, 0), (1e9, 0), (0, 1)]), Point(math.inf, 0)):
        with pytest.raises(InvalidInput) as caught:
            on_globe(wrong)
        assert caught.value.parameter == "geometry"
