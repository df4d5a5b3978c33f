"""Ranges of ids, templates of file names, maps of valid pixels."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from prismcube.consolidation.ranges import from_ranges, to_ranges
from prismcube.consolidation.targets import DEFAULT, Template
from prismcube.consolidation.valid import ValidMap
from prismcube.errors import InvalidInput
from prismcube.model.cells import Cell
from prismcube.model.grid import Grid

FOLDER = "file:///ours"


@given(st.sets(st.integers(1, 10**9)))
def test_ids_survive_as_ranges(ids):
    assert from_ranges("ids", to_ranges(ids)) == tuple(sorted(ids))


def test_runs_of_ids_are_short():
    assert to_ranges([5, 3, 4, 9, 3]) == ["3-5", "9"]
    assert to_ranges([]) == []
    assert from_ranges("ids", [7, "1-3"]) == (1, 2, 3, 7)


@pytest.mark.parametrize("text", ["", "-", "1-", "-1", "3-1", "1-2-3", "a", "١", "1-99999999999", 1.5, " 1"])
def test_what_is_no_range_is_refused(text):
    with pytest.raises(InvalidInput) as raised:
        from_ranges("ids", [text])
    assert raised.value.parameter == "ids"


def test_names_of_files():
    template = Template.parse(DEFAULT, folder=FOLDER)
    values = {
        "layout": "cells",
        "job": "j1",
        "variable": "a/b c",
        "instance": "..",
        "cell": "-3/../4",
        "number": "0",
        "first": "20200101",
        "last": "20200102",
    }
    uri = template.fill(FOLDER, values)
    assert uri == "file:///ours/consolidated/cells/j1/a~2Fb~20c/~../-3/~../4/0.tif"
    folders = template.folders(FOLDER, job="j1", layout="cells", instances=[("a", "b"), ("a", "c")])
    assert folders == ("file:///ours/consolidated/cells/j1",)
    own = Template.parse("file:///ours/{variable}/{job}/{instance}/{cell}/{first}-{number}.tif", folder=FOLDER)
    folders = own.folders(FOLDER, job="j1", layout="cells", instances=[("a", "b"), ("c", "d")])
    assert folders == ("file:///ours/a/j1", "file:///ours/c/j1")


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_no_name_leaves_the_folder_of_the_job(variable, instance, cell):
    template = Template.parse(DEFAULT, folder=FOLDER)
    values = dict.fromkeys(("layout", "job", "number", "first", "last"), "x")
    uri = template.fill(FOLDER, values | {"variable": variable, "instance": instance, "cell": cell})
    assert uri.startswith("file:///ours/consolidated/x/x/")
    assert ".." not in uri.split("/")
    assert uri.isascii()


@given(st.lists(st.tuples(*[st.text(" ._~-/%2aA", max_size=6)] * 2), min_size=2, max_size=2, unique=True))
def test_two_names_are_two_files(pairs):
    template = Template.parse("{job}/{variable}/{instance}/{cell}/{number}.tif", folder=FOLDER)
    values = dict.fromkeys(("layout", "job", "cell", "number", "first", "last"), "x")
    names = {template.fill(FOLDER, values | {"variable": one, "instance": two}) for one, two in pairs}
    assert len(names) == 2


@pytest.mark.parametrize(
    "text",
    [
        "{job}/{variable}/{instance}/{cell}{number}.tif",  # 1 and 12, 11 and 2
        "{job}/{variable}-{instance}/{cell}/{number}.tif",  # a-b and c, a and b-c
        "{job}/{variable}/{instance}/{cell}.tif",  # no number
        "{variable}/{instance}/{cell}/{number}.tif",  # no job
        "{cell}/{job}/{variable}/{instance}/{number}.tif",  # the cell before the job
        "x-{job}/{variable}/{instance}/{cell}/{number}.tif",  # no folder that is the job alone
        "{job}/{variable}/{instance}/{cell}/{number}.png",
        "{job}/../{variable}/{instance}/{cell}/{number}.tif",
        "{job}//{variable}/{instance}/{cell}/{number}.tif",
        "/etc/{job}/{variable}/{instance}/{cell}/{number}.tif",
        "s3://bucket/{job}/{variable}/{instance}/{cell}/{number}.tif",
        "{job}/{variable}/{instance}/{cell}/{number}/{what}.tif",
        "{job}/{variable}/{instance}/{cell}/{number}?.tif",
        "{job}/{variable}/{instance}/{cell}/{{number}}.tif",
        "results/{job}/{variable}/{instance}/{cell}/{number}.tif",  # which goes with the job
        "Results/{layout}/{job}/{variable}/{instance}/{cell}/{number}.tif",
    ],
)
def test_templates_that_are_refused(text):
    with pytest.raises(InvalidInput) as raised:
        Template.parse(text, folder=FOLDER)
    assert raised.value.parameter == "uri"


@pytest.mark.parametrize("name", ["layout", "variable", "instance"])
def test_no_name_leads_to_results_of_jobs(name):
    others = [one for one in ("variable", "instance") if one != name]
    text = f"{{{name}}}/{{job}}/" + "".join(f"{{{one}}}/" for one in others) + "{cell}/{number}.tif"
    template = Template.parse(text, folder=FOLDER)
    names = {"layout": "l", "variable": "v", "instance": "i"}

    def folders(named):
        names[name] = named
        return template.folders(
            FOLDER, job="j", layout=names["layout"], instances=[(names["variable"], names["instance"])]
        )

    assert folders("result") == (f"{FOLDER}/result/j",)
    for named in ("results", "RESULTS"):
        with pytest.raises(InvalidInput, match="results of jobs") as raised:
            folders(named)
        assert raised.value.parameter == "uri"


def cell_of(height, width):
    return Cell("c", Grid("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_000_000), height, width))


@given(
    height=st.integers(1, 150),
    width=st.integers(1, 150),
    seed=st.integers(0, 99),
    share=st.sampled_from([0.0, 0.01, 0.5, 1.0]),
    strip=st.integers(1, 150),
)
def test_a_map_has_every_valid_pixel_and_no_empty_block(height, width, seed, share, strip):
    valid = np.random.default_rng(seed).random((height, width)) < share
    cell = cell_of(height, width)
    made = ValidMap.empty(cell.grid)
    for row in range(0, height, strip):
        made.add(valid[row : row + strip], row=row)
    side = made.side
    for row in range(made.blocks.shape[0]):
        for col in range(made.blocks.shape[1]):
            block = valid[row * side : (row + 1) * side, col * side : (col + 1) * side]
            assert made.blocks[row, col] == block.any()
    assert max(made.blocks.shape) <= 64
    again = ValidMap.from_text(cell.grid, made.to_text()) if share else made
    np.testing.assert_array_equal(again.blocks, made.blocks)


def test_a_footprint_is_the_ground_of_valid_blocks():
    cell = cell_of(128, 128)
    made = ValidMap.empty(cell.grid)
    valid = np.zeros((128, 128), dtype=bool)
    valid[:64, :] = True
    valid[20:30, 40:60] = False  # a hole
    valid[100, 100] = True  # an island of one pixel
    made.add(valid, row=0)
    footprint = made.footprint(cell)
    assert footprint.is_valid
    assert len(footprint.geoms) == 2
    whole = cell.footprint()
    share = footprint.area / whole.area
    assert share == pytest.approx((64 * 128 - 200 + 4) / 128**2, abs=0.002)
    assert shapely.difference(footprint, whole).area < 1e-6 * whole.area


def test_a_full_map_is_the_cell():
    cell = cell_of(50, 70)
    made = ValidMap.empty(cell.grid)
    made.add(np.ones((50, 70), dtype=bool), row=0)
    assert made.to_text() == ""
    assert made.footprint(cell) == cell.footprint()


def test_a_footprint_across_the_date_line_is_cut_there():
    grid = Grid("EPSG:32660", Affine(1000, 0, 600_000, 0, -1000, 200_000), 100, 300)
    made = ValidMap.empty(grid)
    valid = np.zeros((100, 300), dtype=bool)
    valid[:50] = True
    made.add(valid, row=0)
    footprint = made.footprint(Cell("c", grid))
    west, _, east, _ = footprint.bounds
    assert (west, east) == (-180, 180)
    assert footprint.area == pytest.approx(Cell("c", grid).footprint().area / 2, rel=0.05)
