"""Cells: every place of an area is in a tile, no tile is beside it, and none comes twice."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import morecantile
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, Polygon, box, mapping

from prismcube.errors import InvalidInput
from prismcube.model.cells import TOUCH_PX, Cell, tiles, web_mercator_grid
from prismcube.model.custom_cells import CustomCell, custom_cells
from prismcube.model.grid import CRS84, Bounds, transformer
from prismcube.model.layout import CustomGrid, GridSpec, RegularGrid, SingleCell, SubGrid

WEB = morecantile.tms.get("WebMercatorQuad")

PLACES = {
    "EPSG:3035": (10.0, 52.0, 300.0),  # longitude, latitude, metres or degrees of a pixel
    "EPSG:32633": (15.5, 46.0, 100.0),
    "EPSG:32601": (180.0, 65.0, 300.0),  # across the date line
    "EPSG:3832": (-30.0, 10.0, 500.0),  # across the end of its map
    "EPSG:3413": (135.0, 84.0, 1000.0),  # beside a pole
    "EPSG:4326": (180.0, 0.0, 0.005),
    "EPSG:3857": (-179.5, -40.0, 400.0),
}


@st.composite
def areas(draw: st.DrawFn, crs: str) -> MultiPolygon:
    """Stars around a place, maybe with a hole, of up to 3 degrees; longitudes may pass 180."""
    lon, lat, _ = PLACES[crs]
    parts = []
    for _ in range(draw(st.integers(1, 2))):
        angles = np.linspace(0, 2 * np.pi, draw(st.integers(3, 9)), endpoint=False)
        reach = np.array([draw(st.floats(0.01, 1.5)) for _ in angles])
        centre = np.array([lon + draw(st.floats(-2, 2)), lat + draw(st.floats(-2, 2))])
        ring = centre + np.column_stack([np.cos(angles), np.sin(angles)]) * reach[:, None]
        hole = [centre + (ring - centre) * 0.5] if draw(st.booleans()) else []
        parts.append(shapely.make_valid(Polygon(ring, hole)))
    return shapely.union_all(parts)


@st.composite
def regular(draw: st.DrawFn, crs: str) -> RegularGrid:
    pixel = PLACES[crs][2]
    return RegularGrid(
        crs=crs,
        resolution=pixel,
        cell_width=draw(st.sampled_from([64, 100, 333])),
        cell_height=draw(st.sampled_from([64, 100, 333])),
        origin_x=pixel * draw(st.floats(-500, 500)),
        origin_y=pixel * draw(st.floats(-500, 500)),
    )


def inside(area: Any, count: int, seed: int) -> Any:
    """Random points of an area, longitudes in [-180, 180]."""
    west, south, east, north = area.bounds
    random = np.random.default_rng(seed)
    points = np.column_stack([random.uniform(west, east, count), random.uniform(south, north, count)])
    corners = shapely.get_coordinates(shapely.buffer(area, -1e-6))
    points = np.vstack([points[shapely.contains_xy(area, *points.T)], corners])
    return np.column_stack([(points[:, 0] + 180) % 360 - 180, points[:, 1]])


def covered(points: Any, found: list[Cell]) -> Any:
    """Which points (longitude, latitude) lie in a tile, to a thousandth of a pixel."""
    hit = np.zeros(len(points), dtype=bool)
    for cell in found:
        x, y = transformer(CRS84, cell.crs).transform(*points.T)
        west, south, east, north = cell.grid.bounds.as_tuple()
        slack = TOUCH_PX * cell.grid.resolution[0]
        hit |= (x >= west - slack) & (x <= east + slack) & (y >= south - slack) & (y <= north + slack)
    return hit


def densified(area: Any, crs: str) -> Any:
    """The area in a CRS the plain way: points put in first, each part by itself."""
    parts = shapely.get_parts(shapely.segmentize(_cut(area), 0.001))
    moved = [
        shapely.transform(part, lambda p: np.column_stack(transformer(CRS84, crs).transform(*p.T))) for part in parts
    ]
    return shapely.union_all([shapely.make_valid(part) for part in moved])


def _cut(area: Any) -> Any:
    west = shapely.intersection(area, box(-540, -90, -180, 90))
    east = shapely.intersection(area, box(180, -90, 540, 90))
    middle = shapely.intersection(area, box(-180, -90, 180, 90))
    turned = [
        shapely.transform(part, lambda p, by=by: p + np.array([by, 0])) for part, by in ((west, 360), (east, -360))
    ]
    return shapely.union_all([middle, *turned])


@settings(deadline=None, max_examples=60)
@given(data=st.data(), crs=st.sampled_from(sorted(PLACES)), seed=st.integers(0, 2**32))
def test_every_place_of_the_area_is_in_a_tile(data: st.DataObject, crs: str, seed: int) -> None:
    area = data.draw(areas(crs))
    found = list(tiles(data.draw(regular(crs)), area))
    assert covered(inside(area, 500, seed), found).all()
    assert len({cell.id for cell in found}) == len(found) == len({cell.grid for cell in found})


@settings(deadline=None, max_examples=30)
@given(data=st.data(), crs=st.sampled_from(sorted(set(PLACES) - {"EPSG:3832"})))
def test_every_tile_touches_the_area(data: st.DataObject, crs: str) -> None:
    area = data.draw(areas(crs))
    there = shapely.buffer(densified(area, crs), PLACES[crs][2])  # a pixel around it
    for cell in tiles(data.draw(regular(crs)), area):
        assert shapely.intersects(there, box(*cell.grid.bounds.as_tuple())), cell.id


@settings(deadline=None, max_examples=30)
@given(data=st.data(), crs=st.sampled_from(sorted(set(PLACES) - {"EPSG:3832"})), seed=st.integers(0, 2**32))
def test_a_single_cell_fits_around_the_area(data: st.DataObject, crs: str, seed: int) -> None:
    pixel = PLACES[crs][2]
    area = data.draw(areas(crs))
    if crs in ("EPSG:4326", "EPSG:3857"):
        area = shapely.intersection(area, box(-179.9, -90, 179.9, 90))
        if area.is_empty:
            return
    (cell,) = tiles(SingleCell(crs, pixel), area)
    assert covered(inside(area, 200, seed), [cell]).all()
    bounds = densified(area, crs).bounds
    for edge, wanted in zip(cell.grid.bounds.as_tuple(), bounds, strict=True):
        assert abs(edge / pixel - round(edge / pixel)) < 1e-6
        assert abs(edge - wanted) < 1.1 * pixel
    assert cell.id == (
        f"{round(cell.grid.bounds.west / pixel)}/{round(-cell.grid.bounds.north / pixel)}"
        f"/{cell.grid.width}/{cell.grid.height}"
    )


@settings(deadline=None)
@given(
    zoom=st.integers(0, 12),
    west=st.floats(-180, 179.9),
    south=st.floats(-85, 84.9),
    size=st.tuples(st.floats(0.001, 1), st.floats(0.001, 1)),
)
def test_web_mercator_is_morecantile(zoom: int, west: float, south: float, size: tuple[float, float]) -> None:
    box_ = (west, south, min(180.0, west + size[0]), min(85.0, south + size[1]))
    found = {cell.id: cell for cell in tiles(web_mercator_grid(zoom), box(*box_))}
    wanted = {f"{tile.x}/{tile.y}": tile for tile in WEB.tiles(*box_, [zoom])}
    for name, cell in found.items():
        tile = WEB.xy_bounds(*map(int, name.split("/")), zoom)
        assert np.allclose(cell.grid.bounds.as_tuple(), tile, rtol=0, atol=1e-6)
        assert cell.grid.shape == (256, 256)
    asked = box(*Bounds(*box_).to_crs(CRS84, "EPSG:3857").as_tuple())
    for name in found.keys() ^ wanted.keys():  # both leave out a hair, of a pixel or of a degree
        west, south, east, north = shapely.intersection(
            asked, box(*WEB.xy_bounds(*map(int, name.split("/")), zoom))
        ).bounds
        assert not min(east - west, north - south) > 1.01 * TOUCH_PX * web_mercator_grid(zoom).resolution


@pytest.mark.parametrize("zoom", [0, 1, 4])
def test_the_whole_world_is_all_tiles_of_the_web(zoom: int) -> None:
    found = [cell.id for cell in tiles(web_mercator_grid(zoom), box(-180, -90, 180, 90))]
    assert found == [f"{x}/{y}" for y in range(2**zoom) for x in range(2**zoom)]


def test_web_mercator_with_other_sizes() -> None:
    (small,), (large,) = (
        tiles(web_mercator_grid(0), box(0, 0, 1, 1)),
        tiles(web_mercator_grid(0, size=512), box(0, 0, 1, 1)),
    )
    assert (small.grid.shape, large.grid.shape) == ((256, 256), (512, 512))
    assert np.allclose(small.grid.bounds.as_tuple(), large.grid.bounds.as_tuple())
    for wrong in ({"zoom": 31}, {"zoom": -1}, {"zoom": 1, "size": 0}):
        with pytest.raises(InvalidInput):
            web_mercator_grid(**wrong)


def test_the_cells_that_geocube_makes() -> None:
    # internal/utils/grid/regulargrid_test.go of airbusgeo/geocube, configuration 0
    grid = RegularGrid(crs="EPSG:32631", resolution=30, cell_width=1024, cell_height=1024)
    found = {cell.id for cell in tiles(grid, box(5.8, 44.5, 6.6, 45.1))}
    assert found == {f"{x}/{y}" for x in (23, 24, 25) for y in (-161, -162, -163)}


FLAT = RegularGrid(crs="EPSG:4326", resolution=0.1, cell_width=10, cell_height=20)


def _ids(grid: GridSpec, area: Any, **options: Any) -> list[str]:
    return [cell.id for cell in tiles(grid, area, **options)]


@pytest.mark.parametrize(
    ("area", "ids"),
    [
        pytest.param(box(0, -2, 1, 0), ["0/0"], id="an area that is a cell"),
        pytest.param(box(0, -2.01, 1, 0), ["0/0", "0/1"], id="a little to the south"),
        pytest.param(box(-0.01, -2, 1, 0), ["-1/0", "0/0"], id="a little to the west"),
        pytest.param(box(-0.00001, -2, 1, 0), ["0/0"], id="less than a thousandth of a pixel"),
        pytest.param(box(1 - 1e-9, -1, 1 + 1e-9, -0.5), ["1/0"], id="nothing but an edge still has a tile"),
        pytest.param(box(179.5, 0.5, 180.5, 1), ["-180/-1", "179/-1"], id="across the date line"),
        pytest.param(
            MultiPolygon([box(0.1, -1, 0.2, -0.5), box(0.3, -1, 0.4, -0.5), box(2.5, -1, 2.6, -0.5)]),
            ["0/0", "2/0"],
            id="two parts in a cell",
        ),
        pytest.param(
            Polygon([(0, 0), (4, 0), (4, -6), (0, -6)], [[(0.9, -1.9), (3.1, -1.9), (3.1, -4.1), (0.9, -4.1)]]),
            ["0/0", "1/0", "2/0", "3/0", "0/1", "3/1", "0/2", "1/2", "2/2", "3/2"],
            id="a hole",
        ),
    ],
)
def test_cells_of_a_lattice(area: Any, ids: list[str]) -> None:
    assert _ids(FLAT, area) == ids


def test_a_cell_lies_where_its_id_says() -> None:
    grid = RegularGrid(
        crs="EPSG:3035", resolution=10, cell_width=100, cell_height=50, origin_x=4_000_000, origin_y=3_000_000
    )
    x, y = transformer("EPSG:3035", CRS84).transform(4_000_000 + 2500, 3_000_000 + 700)
    (cell,) = tiles(grid, box(x - 1e-4, y - 1e-4, x + 1e-4, y + 1e-4))
    assert cell.id == "2/-2"
    assert cell.grid.bounds == Bounds(4_002_000, 3_000_500, 4_003_000, 3_001_000)
    assert (cell.grid.width, cell.grid.height, cell.crs) == (100, 50, "EPSG:3035")


def test_a_grid_with_an_end_has_no_cells_beyond() -> None:
    ended = RegularGrid(crs="EPSG:4326", resolution=0.1, cell_width=10, cell_height=20, columns=2, rows=1)
    assert _ids(ended, box(-5, -5, 5, 5)) == ["0/0", "1/0"]
    assert _ids(ended, box(20, 20, 25, 25)) == []
    only_columns = RegularGrid(crs="EPSG:4326", resolution=0.1, cell_width=10, cell_height=20, columns=1)
    assert _ids(only_columns, box(-5, -3.9, 5, -0.1)) == ["0/0", "0/1"]
    only_rows = RegularGrid(crs="EPSG:4326", resolution=0.1, cell_width=10, cell_height=20, rows=1)
    assert _ids(only_rows, box(-0.9, -3.9, 0.9, 3.9)) == ["-1/0", "0/0"]


def test_an_area_may_go_far_beyond_a_grid_with_an_end() -> None:
    """Most of the world has no place in a UTM zone, but this grid has no cells there."""
    grid = RegularGrid(
        crs="EPSG:32633",
        resolution=1000,
        cell_width=100,
        cell_height=100,
        origin_x=3e5,
        origin_y=6e6,
        columns=2,
        rows=2,
    )
    assert _ids(grid, box(-180, -90, 180, 90)) == ["0/0", "1/0", "0/1", "1/1"]


def test_a_small_area_is_cut_only_where_it_bends() -> None:
    """In Lambert's projection of Europe a parallel bends far from its chord: a tile above the middle is touched."""
    grid = RegularGrid(crs="EPSG:3035", resolution=10, cell_width=100, cell_height=100)
    lon, lat = 10.0, 60.0
    x, y = transformer(CRS84, "EPSG:3035").transform(lon, lat)
    ends = transformer(CRS84, "EPSG:3035").transform([lon - 20, lon + 20], [lat, lat])[1]
    assert min(ends) > y + 100_000
    found = list(tiles(grid, box(lon - 20, lat, lon + 20, lat + 0.001)))
    assert covered(np.array([[lon, lat + 0.0005]]), found).all()
    assert not covered(np.array([[lon, lat + 3]]), found).any()
    assert x == pytest.approx(4_321_000)


@pytest.mark.parametrize(
    ("grid", "area"),
    [
        pytest.param(FLAT, box(0, 0, 4, -8), id="regular"),
        pytest.param(FLAT, box(0.5, 0, 0.6, -32), id="a column"),
        pytest.param(FLAT, box(0, -0.5, 16, -0.6), id="a row"),
        pytest.param(FLAT, MultiPolygon([box(i + 0.5, -1, i + 0.6, -0.5) for i in range(16)]), id="parts"),
    ],
)
def test_the_limit_is_kept_before_the_first_tile(grid: GridSpec, area: Any) -> None:
    assert len(_ids(grid, area, limit=16)) == 16
    with pytest.raises(InvalidInput, match="more than 15 tiles") as raised:
        tiles(grid, area, limit=15)
    assert raised.value.parameter == "aoi"


def test_tiles_come_as_a_stream() -> None:
    grid = RegularGrid(crs="EPSG:3857", resolution=10, cell_width=8192, cell_height=8192)
    tracemalloc.start()
    try:
        count = sum(1 for _ in tiles(grid, box(-180, -80, 180, 80)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count > 100_000
    assert peak < 1_000_000  # bytes; the tiles themselves would be a hundred times as much


@pytest.mark.parametrize(
    ("grid", "area", "reason"),
    [
        pytest.param(FLAT, Polygon(), "some area", id="empty"),
        pytest.param(FLAT, shapely.Point(0, 0), "some area", id="a point"),
        pytest.param(FLAT, box(800, 0, 801, 1), "longitudes", id="turns too many"),
        pytest.param(SingleCell("EPSG:32633", 10), box(-180, 0, 180, 80), "no place", id="UTM around the world"),
        pytest.param(SingleCell("EPSG:32633", 1e-4), box(15, 40, 15.1, 40.1), "pixels", id="too fine a cell"),
        pytest.param(SingleCell("EPSG:3035", 1e-5), box(-20, 40, 40, 60), "edges too long", id="too fine edges"),
    ],
)
def test_an_area_is_refused_with_its_reason(grid: GridSpec, area: Any, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as raised:
        tiles(grid, area)
    assert raised.value.parameter == "aoi"


def test_footprint_is_cut_at_the_date_line() -> None:
    (cell,) = tiles(SingleCell("EPSG:32601", 100), box(179.5, 65, 180.5, 65.5))
    footprint = cell.footprint()
    assert footprint.is_valid
    assert len(footprint.geoms) == 2
    assert footprint.bounds[0] == -180
    assert footprint.bounds[2] == 180
    assert shapely.area(footprint) < 2
    assert shapely.contains_xy(footprint, [179.6, -179.6], [65.2, 65.2]).all()


def test_footprint_is_closed_over_a_pole() -> None:
    grid = RegularGrid(crs="EPSG:3413", resolution=1000, cell_width=2000, cell_height=2000, origin_x=-1e6, origin_y=1e6)
    (cell,) = tiles(grid, box(-180, 89, 180, 90))
    assert shapely.contains_xy(cell.footprint(), [0, 90, 179, -90], [89.5] * 4).all()
    assert not shapely.contains_xy(cell.footprint(), [0, 90], [-89, 60]).any()


def test_all_of_an_area_around_a_pole_is_covered() -> None:
    grid = RegularGrid(crs="EPSG:3413", resolution=1000, cell_width=500, cell_height=500)
    found = list(tiles(grid, box(-180, 80, 180, 90)))
    assert covered(inside(box(-180, 80, 180, 90), 2000, 1), found).all()


# --- custom cells


def _feature(id: Any, area: Any, /, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": {"id": id, "crs": 4326} | properties, "geometry": mapping(area)}


def _collection(*features: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features)}


TWO = custom_cells(_collection(_feature("a", box(0, 0, 1, 1)), _feature("b", box(0.8, 0, 1.8, 1))))


def test_custom_cells_are_whole_tiles() -> None:
    grid = CustomGrid("two", 0.25)
    assert _ids(grid, box(0.1, 0.1, 0.2, 0.2), cells=TWO) == ["a"]
    assert _ids(grid, box(0.9, 0.1, 1.1, 0.2), cells=TWO) == ["a", "b"]
    assert _ids(grid, box(1.8, 0.1, 2.1, 0.2), cells=TWO) == [], "an edge in common is no ground in common"
    assert _ids(grid, box(0.1, 0.1, 0.2, 0.2)) == []
    cell = next(tiles(grid, box(0.9, 0.1, 1.1, 0.2), cells=TWO[1:]))
    assert (cell.id, cell.grid.bounds, cell.grid.shape) == ("b", Bounds(0.75, 0, 2, 1), (4, 5))


def test_tiles_that_custom_cells_share_come_once() -> None:
    grid = CustomGrid("two", 0.1, SubGrid(cell_width=5, cell_height=5))
    everywhere = box(-5, -5, 5, 5)
    assert _ids(grid, everywhere, cells=TWO) == [
        *("a/0/-2", "a/1/-2", "b/2/-2", "b/3/-2"),
        *("a/0/-1", "a/1/-1", "b/2/-1", "b/3/-1"),
    ]
    assert _ids(grid, everywhere, cells=TWO[::-1])[:4] == ["b/1/-2", "b/2/-2", "b/3/-2", "a/0/-2"]
    assert _ids(grid, box(0.1, 0.1, 0.2, 0.2), cells=TWO) == ["a/0/-1"]
    same = [CustomCell(id=name, crs="EPSG:4326", footprint=TWO[0].footprint) for name in "xy"]
    assert _ids(CustomGrid("two", 0.25), everywhere, cells=same) == ["x"]


def test_a_sub_grid_lies_where_it_says() -> None:
    grid = CustomGrid("two", 0.1, SubGrid(cell_width=20, cell_height=5, origin_x=0.4, origin_y=0.7))
    found = list(tiles(grid, box(0.5, 0.5, 0.6, 0.6), cells=TWO))
    assert [cell.id for cell in found] == ["a/0/0"]
    assert found[0].grid.shape == (5, 20)
    assert found[0].grid.bounds.as_tuple() == pytest.approx((0.4, 0.2, 2.4, 0.7))


def test_a_cell_with_bounds_is_that_box() -> None:
    footprint = MultiPolygon([box(0, 0, 2, 2)])
    cell = CustomCell(id="a", crs="EPSG:4326", footprint=footprint, bounds=Bounds(0.5, 0.5, 1, 1))
    (whole,) = tiles(CustomGrid("one", 0.1), box(0.9, 0.9, 1.2, 1.2), cells=[cell])
    assert whole.grid.bounds.as_tuple() == pytest.approx((0.5, 0.5, 1, 1))
    grid = CustomGrid("one", 0.1, SubGrid(cell_width=5, cell_height=5))
    assert _ids(grid, box(0.9, 0.9, 1.2, 1.2), cells=[cell]) == ["a/1/-2"]
    assert _ids(grid, box(1.5, 1.5, 1.7, 1.7), cells=[cell]) == []


def test_custom_cells_have_a_limit_too() -> None:
    for grid, count in ((CustomGrid("two", 0.25), 2), (CustomGrid("t", 0.1, SubGrid(cell_width=5, cell_height=5)), 8)):
        assert len(_ids(grid, box(-5, -5, 5, 5), cells=TWO, limit=count)) == count
        with pytest.raises(InvalidInput, match="more than"):
            tiles(grid, box(-5, -5, 5, 5), cells=TWO, limit=count - 1)


@settings(deadline=None, max_examples=30)
@given(data=st.data(), seed=st.integers(0, 2**32), sub=st.booleans())
def test_custom_cells_cover_what_they_hold(data: st.DataObject, seed: int, sub: bool) -> None:
    """Cells of two zones that meet at the date line, each in its own CRS."""
    cells = [
        CustomCell(id="east", crs="EPSG:32660", footprint=MultiPolygon([box(176, 60, 180, 70)])),
        CustomCell(id="west", crs="EPSG:32601", footprint=MultiPolygon([box(-180, 60, -176, 70)])),
    ]
    area = data.draw(areas("EPSG:32601"))
    grid = CustomGrid("zones", 300, SubGrid(cell_width=100, cell_height=64) if sub else None)
    found = list(tiles(grid, area, cells=cells))
    assert covered(inside(area, 300, seed), found).all()
    assert len({cell.grid for cell in found}) == len(found)


@given(
    name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,9}", fullmatch=True),
    crs=st.sampled_from(["EPSG:4326", "EPSG:32633"]),
    west=st.floats(-179, 170),
    bounds=st.none() | st.just(Bounds(0, 1, 2, 3)),
)
def test_json_round_trip(name: str, crs: str, west: float, bounds: Bounds | None) -> None:
    cell = CustomCell(id=name, crs=crs, footprint=MultiPolygon([box(west, 0, west + 1, 1)]), bounds=bounds)
    stored = json.loads(json.dumps(cell.to_json()))
    found = CustomCell.from_json(stored)
    assert (found.id, found.crs, found.bounds) == (cell.id, cell.crs, cell.bounds)
    assert shapely.equals(found.footprint, cell.footprint)


def test_properties_go_by_other_names() -> None:
    feature = _feature("x", box(0, 0, 1, 1), name="n", epsg="EPSG:3035")
    (cell,) = custom_cells(_collection(feature), id_property="name", crs_property="epsg")
    assert (cell.id, cell.crs) == ("n", "EPSG:3035")
    assert custom_cells(_collection(_feature("x", box(0, 0, 1, 1), crs="32633")))[0].crs == "EPSG:32633"


@pytest.mark.parametrize(
    ("name", "crs"),
    [("32TNT", "EPSG:32632"), ("01CAB", "EPSG:32701"), ("1MAB", "EPSG:32701"), ("60NAB", "EPSG:32660")],
)
def test_the_zone_is_in_the_name(name: str, crs: str) -> None:
    (cell,) = custom_cells(_collection(_feature(name, box(0, 0, 1, 1))), crs_property=None)
    assert cell.crs == crs


@pytest.mark.parametrize(
    ("document", "options", "reason"),
    [
        pytest.param([], {}, "feature collection", id="not an object"),
        pytest.param({"type": "Feature"}, {}, "feature collection", id="one feature"),
        pytest.param({"type": "FeatureCollection"}, {}, "must be a list", id="no features"),
        pytest.param(_collection(5), {}, "no property 'id'", id="not a feature"),
        pytest.param(_collection(_feature("a", box(0, 0, 1, 1))), {"id_property": "x"}, "no property 'x'", id="no id"),
        pytest.param(_collection(_feature("a", box(0, 0, 1, 1))), {"crs_property": "x"}, "has no CRS", id="no CRS"),
        pytest.param(_collection(_feature("a", box(0, 0, 1, 1), crs=1)), {}, "not a coordinate", id="no such CRS"),
        pytest.param(_collection(_feature("a", box(0, 0, 1, 1), crs=[])), {}, "must be text", id="CRS is a list"),
        pytest.param(_collection(_feature("a/b", box(0, 0, 1, 1))), {}, "must be 1 to 100", id="id with a slash"),
        pytest.param(_collection(_feature("a", shapely.Point(0, 0))), {}, "some area", id="a point"),
        pytest.param(_collection(_feature("a", box(0, 0, 1, 1)) | {"geometry": None}), {}, "GeoJSON", id="no geometry"),
        pytest.param(
            _collection(_feature("a", box(0, 0, 1, 1)), _feature("a", box(1, 0, 2, 1), crs=3035)),
            {},
            "two CRSs",
            id="CRSs",
        ),
        pytest.param(_collection(_feature("61TAB", box(0, 0, 1, 1))), {"crs_property": None}, "MGRS", id="zone 61"),
        pytest.param(_collection(_feature("32IAB", box(0, 0, 1, 1))), {"crs_property": None}, "MGRS", id="band I"),
        pytest.param(_collection(_feature("a", box(0, 0, 1, 1))), {"snap": 0}, "positive", id="snap 0"),
        pytest.param(_collection(_feature("a", box(0, 0, 1, 1))), {"snap": 10}, "no box", id="snapped to nothing"),
        pytest.param(
            _collection(_feature("a", Polygon([(0, 0), (1, 0), (0, 1)]))), {"snap": 0.1}, "no box", id="a triangle"
        ),
    ],
)
def test_cells_are_refused_with_their_reason(document: Any, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        custom_cells(document, **options)


@pytest.fixture(scope="module")
def sentinel2(shared_data: Path) -> Any:
    return json.loads((shared_data / "aoi" / "s2_tiles_subset.geojson").read_text(encoding="utf-8"))


def test_tiles_of_sentinel_2_have_its_very_pixels(sentinel2: Any) -> None:
    cells = custom_cells(sentinel2, crs_property=None, snap=20)
    assert len(cells) == 285
    assert {
        (cell.bounds.east - cell.bounds.west, cell.bounds.north - cell.bounds.south) for cell in cells if cell.bounds
    } == {(109_800, 109_800)}
    by_id = {cell.id: cell for cell in cells}
    area = by_id["33TWM"].footprint.centroid.buffer(0.01)
    (tile,) = tiles(CustomGrid("s2", 10), area, cells=cells)
    assert tile.id == "33TWM"
    assert (tile.grid.crs, tile.grid.shape) == ("EPSG:32633", (10_980, 10_980))
    assert tuple(tile.grid.transform)[:6] == (10, 0, 499_980, 0, -10, 5_200_020)  # as its images


def test_tiles_of_sentinel_2_across_the_date_line(sentinel2: Any) -> None:
    cells = custom_cells(sentinel2, crs_property=None, snap=20)
    cell = next(cell for cell in cells if cell.id == "01WCM")
    assert len(cell.footprint.geoms) == 2
    grid = CustomGrid("s2", 20, SubGrid(cell_width=512, cell_height=512))
    across = box(179.7, 64, 180.3, 64.3)
    found = list(tiles(grid, across, cells=[cell]))
    assert covered(inside(across, 300, 1), found).all()
    assert all(tile.id.startswith("01WCM/") for tile in found)
