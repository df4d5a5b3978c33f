"""A plan covers what is asked exactly once: each file and field, each pixel of each step."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, box

from prismcube.cube.plan import CubePlan, ReadStep
from prismcube.cube.planner import make_plan
from prismcube.cube.request import CubeRequest
from prismcube.model.collection import Collection, StoredField
from prismcube.model.entities import Dataset, Record
from prismcube.model.formats import DataFormat, ValueMapping
from prismcube.model.grid import Grid
from prismcube.model.grouping import group_records
from prismcube.model.slant import Slant

U16 = DataFormat(dtype="uint16", nodata=0)
START = datetime(2020, 1, 1, tzinfo=UTC)
ANYWHERE = MultiPolygon([box(-180, -90, 180, 90)])
FIELDS = {"a": (1, 0), "b": (1, 1), "c": (2, 0)}
"""Instance and band of the variable."""
BANDS = {1: (2, 5), 2: (3,)}
"""Of the file, by instance."""


@st.composite
def datasets(draw: st.DrawFn) -> list[Dataset]:
    """Of up to five records in two zones, aligned with the request or not, some beside it, some with a slant."""
    found = []
    for number in range(draw(st.integers(1, 12))):
        crs = draw(st.sampled_from(["EPSG:32632", "EPSG:32633"]))
        west = 500_000 if crs == "EPSG:32632" else 20_000
        size = draw(st.sampled_from([10.0, 12.0]))
        x, y = (draw(st.integers(-60, 60)) * 10.0 for _ in "xy")
        grid = Grid(crs, Affine(size, 0, west + x, 0, -size, 5_000_000 + y), 40, 30)
        slant = Slant(grid.transform @ Affine.rotation(25), 40, 30) if draw(st.integers(0, 4)) == 0 else None
        record = draw(st.integers(1, 5))
        instance = draw(st.sampled_from([1, 2]))
        found.append(
            Dataset(
                id=number + 1, record_id=record, instance_id=instance, container_id=number + 1,
                time=START + timedelta(days=record), uri=f"file:///{number}.tif", bands=BANDS[instance], format=U16,
                mapping=ValueMapping(), grid=slant.upright(crs) if slant else grid, footprint=ANYWHERE, slant=slant,
            )
        )  # fmt: skip
    return found


@st.composite
def requests(draw: st.DrawFn) -> CubeRequest:
    fields = tuple(StoredField(name=n, instance_id=i, band=b, format=U16) for n, (i, b) in FIELDS.items())
    records = [Record(id=n, name=f"R{n}", time=START + timedelta(days=n)) for n in range(1, 6)]
    own_order = draw(st.permutations(records))
    how = draw(st.sampled_from(["record", "all", "month", ",".join(one.name for one in own_order)]))
    size = draw(st.sampled_from([10.0, 13.0, 45.0]))
    grid = Grid("EPSG:32632", Affine(size, 0, 500_000, 0, -size, 5_000_000), draw(st.integers(1, 50)), 37)
    return CubeRequest(
        collection=Collection(name="test", fields=fields),
        fields=tuple(draw(st.lists(st.sampled_from([*FIELDS]), min_size=1, unique=True))),
        grid=grid,
        groups=tuple(group_records(records, how)),
        mosaic=draw(st.sampled_from(["last", "first", "median"])),
        masks={},
    )


def touches(one: Dataset, grid: Grid) -> bool:
    """By boxes, in the dataset's CRS: `grid` is small."""
    return grid.bounds.to_crs(grid.crs, one.grid.crs).intersection(one.grid.bounds) is not None


@given(requests(), datasets())
def test_each_file_is_read_once_for_each_field_that_it_has(request: CubeRequest, found: list[Dataset]) -> None:
    plan = make_plan(request, found)
    wanted = Counter(
        (one.record_id, one.uri, name, BANDS[one.instance_id][band])
        for one in found
        for name, (instance, band) in FIELDS.items()
        if name in request.fields and one.instance_id == instance and touches(one, request.grid)
    )
    planned = Counter(
        (layer.record_id, step.uri, band.target, band.band)
        for one in plan.slices
        for layer in one.layers
        for step in layer.steps
        for band in step.bands
    )
    assert planned == wanted
    visits = Counter((layer.record_id, step.uri) for one in plan.slices for layer in one.layers for step in layer.steps)
    assert set(visits.values()) <= {1}, "a file is opened once"


@given(requests(), datasets())
def test_each_record_is_in_one_step_in_the_order_asked(request: CubeRequest, found: list[Dataset]) -> None:
    plan = make_plan(request, found)
    planned = [(number, layer.record) for number, one in enumerate(plan.slices) for layer in one.layers]
    names = [name for _, name in planned]
    asked = [record.name for group in request.groups for record in group.records]
    assert len(set(names)) == len(names)
    assert names == [name for name in asked if name in set(names)]
    for one in plan.slices:
        assert one.step.records == tuple(layer.record for layer in one.layers)


@given(requests(), datasets(), st.integers(1, 60))
def test_parts_cover_each_row_once_and_shift_what_is_copied(
    request: CubeRequest, found: list[Dataset], rows: int
) -> None:
    plan = make_plan(request, found)
    rows = min(rows, plan.grid.height)
    for index, one in enumerate(plan.slices):
        covered = np.zeros(plan.grid.height, int)
        for row in range(0, plan.grid.height, rows):
            height = min(rows, plan.grid.height - row)
            part = plan.piece(index, row, height)
            covered[row : row + height] += 1
            assert part.grid == plan.grid.shifted(row, 0, height=height, width=plan.grid.width)
            for step, whole in zip(part.steps, _steps(plan, index), strict=True):
                assert (step.uri, step.mode, step.level, step.scale) == (
                    whole.uri,
                    whole.mode,
                    whole.level,
                    whole.scale,
                )
                if whole.offset is not None:
                    assert step.offset == (whole.offset[0] + row, whole.offset[1])
                    assert step.offset == step.grid.pixel_offset(part.grid)
        assert (covered == 1).all()
        assert one.layers


def _steps(plan: CubePlan, index: int) -> list[ReadStep]:
    return [step for layer in plan.slices[index].layers for step in layer.steps]


@given(requests(), datasets())
def test_files_with_a_slant_are_never_copied(request: CubeRequest, found: list[Dataset]) -> None:
    for step in make_plan(request, found).steps:
        if step.slant is not None:
            assert (step.mode, step.offset, step.level, step.layout) == ("warp", None, 0, None)
            assert step.fallback == "its pixels are rotated"
        elif step.offset is not None:
            assert step.offset == step.grid.pixel_offset(request.grid)
