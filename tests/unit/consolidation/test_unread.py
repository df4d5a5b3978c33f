"""What is told of time steps that could not be read wholly."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from affine import Affine

from prismcube.consolidation.unread import NAMED, problem_of, summary
from prismcube.cube.plan import CubePlan, LayerPlan, ReadStep, SlicePlan
from prismcube.model.cube import Slice, SliceStatus, Step
from prismcube.model.formats import DataFormat
from prismcube.model.grid import Grid

GRID = Grid("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_000_000), 2, 2)
T0 = datetime(2020, 1, 1, tzinfo=UTC)


def plan_of(*uris):
    steps = tuple(
        ReadStep(
            dataset_ids=(1,),
            uri=uri,
            subdir="",
            grid=GRID,
            format=DataFormat(dtype="uint8"),
            mode="copy",
            resampling="nearest",
            bands=(),
            offset=(0, 0),
            read_bytes=4,
        )
        for uri in uris
    )
    slices = (SlicePlan(Step(T0, T0, ()), ()), SlicePlan(Step(T0, T0, ("r",)), (LayerPlan(1, "r", steps),)))
    return CubePlan(grid=GRID, fields=(), computed=(), masks={}, mosaic="last", slices=slices)


def ended(status, message=""):
    return Slice(1, (), (), status, message)


@pytest.mark.parametrize("status", [SliceStatus.FAILED, SliceStatus.PARTIAL])
def test_the_file_that_is_named_is_to_blame_not_one_whose_name_ends_alike(status):
    plan = plan_of("file:///a/1.tif", "file:///a/11.tif", "https://h/21.tif?X-Amz-Signature=SECRET")
    for name, uri in [("1", "file:///a/1.tif"), ("11", "file:///a/11.tif"), ("21", "https://h/21.tif")]:
        problem = problem_of(plan, ended(status, f"{name}.tif could not be read: gone"), "no")
        assert (problem.uri, problem.reason) == (uri, f"no: {name}.tif could not be read: gone")


def test_a_file_that_nobody_names_is_the_first_one():
    assert problem_of(plan_of("https://h/a?s=SECRET", "b"), ended(SliceStatus.FAILED, "?"), "no").uri == "https://h/a"


@pytest.mark.parametrize("status", [SliceStatus.OK, SliceStatus.EMPTY])
def test_what_was_read_is_no_problem(status):
    assert problem_of(plan_of("a"), ended(status), "no") is None
    assert summary([(status, "")]) == ""


def test_a_summary_names_each_of_the_first_files_once():
    ends = [(SliceStatus.OK, ""), (SliceStatus.PARTIAL, "a; b"), (SliceStatus.FAILED, "a")]
    assert summary(ends) == "2 of 3 time steps could not be read, or not wholly: a; b"
    many = [(SliceStatus.FAILED, f"file {number}") for number in range(NAMED + 2)]
    assert summary(many).endswith(f"; file {NAMED - 1}; and 2 more")
