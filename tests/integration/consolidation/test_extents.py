"""What collections span is the same before and after their datasets lie in cells that are larger."""

from __future__ import annotations

import pytest
from affine import Affine

from prismcube.model.collection import Collection, StoredField
from prismcube.model.grid import Grid, transformer
from prismcube.model.layout import RegularGrid, SingleCell

UTM = "EPSG:32633"


@pytest.fixture
def native(bench):
    """The default grid of all datasets, which the catalogue keeps, and would find anew."""
    of = bench.variable()
    format = bench.catalogue.variables.get("v").format
    fields = (StoredField(name="f", instance_id=of, band=0, format=format),)
    bench.catalogue.collections.put(Collection(name="c", fields=fields))

    def get() -> Grid:
        kept = bench.catalogue.collections.get("c").extent
        assert bench.catalogue.collections.rebuild("c").extent == kept
        return kept.native

    return get


def consolidate(bench, **inputs):
    job = bench.consolidate(**{"instances": ["v/i"], "layout": "cells", **inputs}).run()
    assert job.stage.name == "done", job.error
    return job


@pytest.mark.parametrize("size", [64, 512, 4096])
def test_of_cells_larger_than_the_data(bench, pixels, native, size):
    """Sources begin anywhere in the cells, and one reaches further than another."""
    bench.add(pixels(100, 150, seed=1, empty=[(slice(0, 40), slice(0, 70))]))
    bench.add(pixels(70, 80, seed=2), day=1, x=500_130, y=4_999_830)
    before = native()
    assert before == Grid(UTM, Affine(10, 0, 500_000, 0, -10, 5_000_000), 100, 150)
    bench.layout(size=size, block_width=64, block_height=64)
    consolidate(bench)
    assert native() == before
    assert all(one.grid.bounds.contains(one.covered) for one in bench.datasets())
    assert {one.grid.shape for one in bench.datasets()} == {(size, size)}


def test_of_sources_apart(bench, pixels, native):
    """Within one cell, and of two dates."""
    bench.add(pixels(10, 10, seed=1), record="R0")
    bench.add(pixels(10, 20, seed=2), record="R0", x=501_000, y=4_999_500)
    bench.add(pixels(10, 10, seed=3), day=1, x=500_500, y=4_999_000)
    before = native()
    consolidate(bench, layout=bench.layout(size=4096))
    assert native() == before
    parts = {one.time.day: one.part.as_tuple() for one in bench.datasets()}
    assert parts == {1: (500_000, 4_999_400, 501_200, 5_000_000), 2: (500_500, 4_998_900, 500_600, 4_999_000)}


def test_of_sources_beside_the_pixels(bench, pixels, native):
    """They are laid on the pixels of the cells: up to one more on each side."""
    bench.add(pixels(100, 150), x=500_003, y=4_999_996)
    before = native()
    consolidate(bench, layout=bench.layout(size=512))
    assert native().bounds.contains(before.bounds)
    assert native() == Grid(UTM, Affine(10, 0, 500_000, 0, -10, 5_000_000), 101, 151)


def test_of_dates_that_are_copied(bench, pixels, native):
    """A second job copies the first one's dates, and adds one that reaches elsewhere."""
    bench.add(pixels(40, 40, seed=1))
    bench.layout(size=512)
    consolidate(bench)
    [first] = bench.datasets()
    bench.add(pixels(30, 70, seed=2), day=1, x=500_200, y=4_999_900)
    before = native()
    consolidate(bench)
    assert native() == before
    copied, added = sorted(bench.datasets(), key=lambda one: one.time)
    assert copied.part == first.part
    assert added.part.as_tuple() == (500_200, 4_999_600, 500_900, 4_999_900)


def test_of_other_cells_from_cells(bench, pixels, native):
    """What is written anew from a consolidated file covers what that one covers, not its cell."""
    bench.add(pixels(100, 150))
    before = native()
    consolidate(bench, layout=bench.layout("large", size=512))
    consolidate(bench, layout=bench.layout(size=64))
    consolidate(bench, layout=bench.layout("larger", size=1024))
    assert native() == before


def test_of_all_records_in_one(bench, pixels, native):
    bench.add(pixels(40, 40, seed=1))
    bench.add(pixels(30, 70, seed=2), day=1, x=500_200, y=4_999_900)
    before = native()
    collapse = {"name": "mosaic", "time": "2020-01-31"}
    consolidate(bench, layout=bench.layout(size=512), collapse=collapse)
    assert native() == before
    [mosaic] = [one for one in bench.datasets() if one.grid.shape == (512, 512)]
    assert mosaic.covered == before.bounds


def test_of_a_single_cell(bench, pixels, native):
    bench.add(pixels(100, 150))
    before = native()
    layout = bench.layout(grid=SingleCell(UTM, 10), block_width=64, block_height=64)
    consolidate(bench, layout=layout)
    assert native() == before


def test_of_another_crs(bench, pixels, native):
    """All of the former ground, and up to two pixels more on each side."""
    bench.add(pixels(100, 150))
    bench.add(pixels(60, 60), day=1, x=502_000, y=4_999_000)
    before = native()
    cells = RegularGrid(crs="EPSG:3035", resolution=10, cell_width=1024, cell_height=1024)
    consolidate(bench, layout=bench.layout(grid=cells, block_width=64, block_height=64))
    assert native().crs == "EPSG:3035"
    exact = [
        transformer(UTM, "EPSG:3035").transform_bounds(*one, densify_pts=1000)
        for one in ((500_000, 4_999_000, 501_500, 5_000_000), (502_000, 4_998_400, 502_600, 4_999_000))
    ]
    wests, souths, easts, norths = zip(*exact, strict=True)
    west, south, east, north = native().bounds.as_tuple()
    assert min(wests) - 20 <= west <= min(wests)
    assert min(souths) - 20 <= south <= min(souths)
    assert max(easts) <= east <= max(easts) + 20
    assert max(norths) <= north <= max(norths) + 20
    assert before.crs == UTM
