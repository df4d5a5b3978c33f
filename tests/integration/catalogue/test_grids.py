"""Grids of named cells: those an area touches, wherever it lies; MGRS is the one that everybody uses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely.geometry import Point, Polygon, box

from prismcube.catalogue import Catalogue
from prismcube.catalogue.grids import StoredGrid
from prismcube.errors import Conflict, InvalidInput, NotFound
from prismcube.model.cells import tiles
from prismcube.model.custom_cells import CustomCell, custom_cells
from prismcube.model.globe import box_on_globe
from prismcube.model.grid import Bounds
from prismcube.model.layout import CustomGrid, Layout, RegularGrid, SingleCell, SubGrid
from prismcube.model.pattern import Pattern


def cell(name: str, west: float, south: float, side: float = 1, crs: str = "EPSG:4326") -> CustomCell:
    return CustomCell(id=name, crs=crs, footprint=box_on_globe(west, south, west + side, south + side))


@pytest.fixture(scope="module")
def mgrs(shared_data: Path) -> tuple[CustomCell, ...]:
    """285 tiles of Sentinel-2: in Europe, at New York, and on both sides of the date line."""
    document = json.loads((shared_data / "aoi" / "s2_tiles_subset.geojson").read_text(encoding="utf-8"))
    return custom_cells(document, crs_property=None, snap=20)


@pytest.fixture
def stored(catalogue: Catalogue, mgrs: tuple[CustomCell, ...]) -> StoredGrid:
    return catalogue.grids.create(StoredGrid(name="mgrs", description="Sentinel-2"), mgrs)


def test_cells_come_back_as_they_were(catalogue: Catalogue, stored: StoredGrid, mgrs: Any) -> None:
    assert stored == StoredGrid(name="mgrs", description="Sentinel-2", cells=285, id=stored.id)
    assert catalogue.grids.get("mgrs") == catalogue.grids.get_by_id(stored.id or 0) == stored
    found: list[CustomCell] = []
    while page := catalogue.grids.cells("mgrs", after=found[-1].id if found else "", limit=100):
        assert len(page) <= 100
        found += page
    assert found == sorted(mgrs, key=lambda one: one.id)
    assert {one.crs for one in found} == {f"EPSG:326{zone}" for zone in ("01", "18", "32", "33", "35", "60")}


PLACES = st.sampled_from([(180.0, 66.0), (15.0, 46.0), (-74.0, 41.0), (9.0, 48.0), (27.0, 60.0)])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    place=PLACES,
    offset=st.tuples(st.floats(-4, 4), st.floats(-4, 4)),
    size=st.tuples(st.floats(0.01, 5), st.floats(0.01, 5)),
)
def test_cells_of_an_area(
    catalogue: Catalogue, stored: StoredGrid, mgrs: Any, place: Any, offset: Any, size: Any
) -> None:
    west, south = place[0] + offset[0], place[1] + offset[1]
    area = box_on_globe(west, south, west + size[0], south + size[1])
    expected = sorted(one.id for one in mgrs if shapely.intersects(one.footprint, area))
    assert [one.id for one in catalogue.grids.cells(stored.name, area=area)] == expected
    spec = CustomGrid("mgrs", 60)
    by_model = {one.id: one.grid for one in tiles(spec, area, cells=mgrs, limit=1000)}
    assert {one.id: one.grid for one in catalogue.grids.tiles(spec, area, limit=1000)} == by_model


@pytest.mark.parametrize(
    ("area", "found"),
    [
        (box(179.6, 64.2, 179.9, 64.4), True),
        (box(-179.9, 64.2, -179.6, 64.4), True),
        (box_on_globe(179.9, 64.2, -179.9, 64.4), True),
        (Point(180, 64.3), True),
        (Point(-180, 64.3), True),
        (box(-170, 64.2, 170, 64.4), False),  # what lies between
        (box(0, 64.2, 1, 64.4), False),
        (Polygon(), False),
    ],
)
def test_a_cell_across_the_date_line_is_found_from_both_sides(
    catalogue: Catalogue, stored: StoredGrid, area: Any, found: bool
) -> None:
    names = [one.id for one in catalogue.grids.cells(stored.name, area=area)]
    assert ("01WCM" in names) is found


def test_tiles_have_the_crs_of_their_cell(catalogue: Catalogue, stored: StoredGrid, mgrs: Any) -> None:
    spec = CustomGrid("mgrs", 20, SubGrid(cell_width=1024, cell_height=1024))
    overlap = next(
        shapely.intersection(one.footprint, other.footprint)
        for one, other in combinations(mgrs, 2)
        if one.crs != other.crs and shapely.intersects(one.footprint, other.footprint)
    )
    across_zones = overlap.representative_point().buffer(0.01)
    found = [*catalogue.grids.tiles(spec, across_zones, limit=100)]
    assert len({one.crs for one in found}) == 2
    assert len({one.id for one in found}) == len(found)
    assert {one.id.partition("/")[0] for one in found} <= {
        one.id for one in catalogue.grids.cells("mgrs", area=across_zones)
    }


def test_tiles_are_made_as_they_are_asked_for(catalogue: Catalogue, stored: StoredGrid) -> None:
    grid = RegularGrid(crs="EPSG:3857", resolution=1000, cell_width=16, cell_height=16)
    found = catalogue.grids.tiles(grid, box(-170, -80, 170, 80), limit=10**8)
    assert isinstance(found, Iterator)
    assert next(found).grid.shape == (16, 16)  # of millions
    with pytest.raises(InvalidInput, match="more than 3 tiles"):  # before the first
        catalogue.grids.tiles(CustomGrid("mgrs", 10), box(10, 45, 20, 50), limit=3)
    with pytest.raises(NotFound, match="no grid 'none'"):
        catalogue.grids.tiles(CustomGrid("none", 10), box(0, 0, 1, 1), limit=3)
    assert [*catalogue.grids.tiles(CustomGrid("mgrs", 10), box(-40, 0, -39, 1), limit=3)] == []
    (single,) = catalogue.grids.tiles(SingleCell("EPSG:3857", 1000), box(0, 0, 1, 1), limit=3)
    assert single.grid.crs == "EPSG:3857"


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ([cell("a", 0, 0), cell("b", 1, 1), cell("a", 2, 2)], "'a' comes twice"),
        ([cell(f"{i}", 0, 0) for i in range(1100)] + [cell("0", 0, 0)], "'0' comes twice"),  # in another statement
        ([], "at least one"),
    ],
)
def test_cells_that_make_no_grid_are_refused(catalogue: Catalogue, cells: Any, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        catalogue.grids.create(StoredGrid(name="g"), iter(cells))
    assert catalogue.grids.list() == []
    stored = catalogue.grids.create(StoredGrid(name="g"), [cell("a", 0, 0)])  # nothing is left of it
    assert [one.id for one in catalogue.grids.cells("g")] == ["a"]
    assert stored.cells == 1


def test_cells_are_taken_as_they_come(catalogue: Catalogue) -> None:
    class Stop(Exception):
        pass

    def some() -> Iterator[CustomCell]:
        yield from (cell(f"{i}", i % 180, 0) for i in range(1500))
        raise Stop

    with pytest.raises(Stop):
        catalogue.grids.create(StoredGrid(name="g"), some())
    assert catalogue.grids.list() == []


def test_a_name_is_that_of_one_grid(catalogue: Catalogue) -> None:
    first = catalogue.grids.create(StoredGrid(name="g"), [cell("a", 0, 0, crs="EPSG:3035")])
    with pytest.raises(Conflict, match="is named 'g' already") as caught:
        catalogue.grids.create(StoredGrid(name="g"), [cell("b", 0, 0)])
    assert caught.value.key == first.id
    other = catalogue.grids.create(StoredGrid(name="h"), [cell("a", 0, 0), cell("b", 5, 5)])
    assert [one.crs for one in catalogue.grids.cells("g")] == ["EPSG:3035"]
    assert [one.id for one in catalogue.grids.cells("h", area=box(4, 4, 6, 6))] == ["b"]
    with pytest.raises(Conflict, match="is named 'h' already"):
        catalogue.grids.update(replace(first, name="h"))
    with pytest.raises(NotFound, match="no grid 99"):
        catalogue.grids.update(replace(first, id=99))
    for call in (catalogue.grids.get, catalogue.grids.cells):
        with pytest.raises(NotFound, match="no grid 'none'"):
            call("none")
    renamed = catalogue.grids.update(replace(other, name="i", description="d", cells=77))
    assert renamed == catalogue.grids.get("i") == replace(other, name="i", description="d")
    assert [one.id for one in catalogue.grids.cells("i")] == ["a", "b"]


def test_grids_are_listed_by_name(catalogue: Catalogue) -> None:
    names = ["A", "B", "a", "b", "b.1"]
    for name in reversed(names):
        catalogue.grids.create(StoredGrid(name=name), [cell("a", 0, 0)])
    page = catalogue.grids.list(limit=2)
    rest = catalogue.grids.list(after=catalogue.grids.key(page[-1]))
    assert [one.name for one in (*page, *rest)] == names
    assert [one.name for one in catalogue.grids.list(name=Pattern("b*(?i)"))] == ["B", "b", "b.1"]


def test_a_grid_stays_while_a_layout_uses_it(catalogue: Catalogue) -> None:
    grid = catalogue.grids.create(StoredGrid(name="g"), [cell("a", 0, 0)])
    layout = catalogue.layouts.create(Layout(name="l", grid=CustomGrid("g", 10), max_records=1))
    with pytest.raises(Conflict, match="1 layout refers to it"):
        catalogue.grids.delete([grid.id or 0])
    assert [one.id for one in catalogue.grids.cells("g")] == ["a"]
    catalogue.layouts.delete([layout.id])
    catalogue.grids.delete([grid.id or 0])
    catalogue.grids.create(StoredGrid(name="h"), [cell("b", 0, 0)])
    assert [one.id for one in catalogue.grids.cells("h", area=Point(0.5, 0.5))] == ["b"]  # its cells are gone too


def test_bounds_of_a_cell_come_back_to_the_last_digit(catalogue: Catalogue) -> None:
    bounds = Bounds(0.1, -1e-9, 123456.789, 1e15)
    wanted = replace(cell("a", 0, 0), bounds=bounds)
    catalogue.grids.create(StoredGrid(name="g"), [wanted])
    assert [*catalogue.grids.cells("g")] == [wanted]
