"""The engine over small rasters whose every value tells its place; rasterio is the judge wherever pixels move."""

import json
import math

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prismcube.cube.budget import check_budget
from prismcube.cube.engine import engine, execute
from prismcube.cube.plan_document import parse_plan, plan_document
from prismcube.errors import BudgetExceeded, Cancelled
from prismcube.model.cube import SliceStatus
from prismcube.model.entities import RESAMPLINGS
from prismcube.model.formats import DataFormat, ValueMapping
from prismcube.model.grid import Grid
from prismcube.model.mask import MaskRule
from tests.judge import check_same, warped

HERE = Affine(10, 0, 500003.5, 0, -10, 5000007.25)  # not on whole metres
U16 = DataFormat(dtype="uint16", nodata=0)


def gradient(height=40, width=50, start=1):
    return (np.arange(height * width, dtype=np.uint16) + start).reshape(height, width)


def test_the_files_own_grid_is_copied(scenes):
    scenes.add(scenes.write(gradient(), transform=HERE))
    plan = scenes.plan({"v": U16})
    assert [step.mode for step in plan.steps] == ["copy"]
    (one,) = execute(plan)
    assert np.array_equal(one.data[0], gradient())
    assert one.valid[0].all()
    assert one.status is SliceStatus.OK


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.integers(-60, 60), st.integers(-60, 60), st.integers(1, 80), st.integers(1, 80))
def test_any_window_of_the_lattice_is_a_slice_of_the_file(tmp_path_factory, scenes_in, row, col, height, width):
    scenes = scenes_in(tmp_path_factory.mktemp("w"))
    scenes.add(scenes.write(gradient(), transform=HERE))
    grid = scenes.datasets[0].grid.shifted(row, col, height=height, width=width)
    expected = np.zeros((height, width), np.uint16)
    for r in range(height):
        for c in range(width):
            if 0 <= row + r < 40 and 0 <= col + c < 50:
                expected[r, c] = gradient()[row + r, col + c]
    slices = scenes.cube({"v": U16}, grid=grid)
    assert len(slices) == bool(expected.any())  # a step that does not touch the grid vanishes
    for one in slices:
        assert np.array_equal(one.data[0], expected)
        assert np.array_equal(one.valid[0], expected != 0)


@pytest.mark.parametrize("resampling", RESAMPLINGS)
@pytest.mark.parametrize("crs", ["EPSG:32632", "EPSG:3857"])
def test_every_resampling_equals_rasterios_own(scenes, resampling, crs):
    pixels = gradient()
    pixels[5:9, 7:12] = 0
    path = scenes.write(pixels, transform=HERE)
    scenes.add(path)
    source = scenes.datasets[0].grid
    bounds = source.bounds.to_crs(source.crs, crs)
    grid = Grid.from_bounds(crs, bounds, width=33, height=29)
    (one,) = scenes.cube({"v": U16}, grid=grid, resampling=resampling)
    expected, valid = warped(pixels, source, grid, resampling, 0)
    check_same(one.data[0], one.valid[0], expected, valid, source=source, target=grid, resampling=resampling)
    assert 0.9 < one.valid[0].mean() < 1


def test_each_band_is_judged_by_its_own_nodata(scenes):
    first, second = gradient(), gradient(start=5000)
    first[10:20, 10:20] = 0  # empty there in the first band alone
    scenes.add(scenes.write(np.stack([first, second]), transform=HERE), bands=(1, 2))
    grid = Grid("EPSG:32632", HERE @ Affine.translation(0.4, 0.4), 30, 30)
    (one,) = scenes.cube({"a": U16, "b": U16}, grid=grid, resampling="bilinear")
    assert not one.valid[0][12:18, 12:18].any()
    assert (one.data[0][12:18, 12:18] == 0).all()
    assert one.valid[1].all()
    assert (one.data[1] >= 5000).all()


@pytest.mark.parametrize("resampling", ["nearest", "bilinear", "cubic", "average"])
def test_without_nodata_zero_is_a_value_and_beyond_the_edge_is_empty(scenes, resampling):
    scenes.add(scenes.write(np.zeros((40, 50), np.uint8), transform=HERE, nodata=None))
    grid = Grid("EPSG:32632", HERE @ Affine.translation(-20.3, 0.3), 30, 40)
    (one,) = scenes.cube({"v": DataFormat(dtype="uint8")}, grid=grid, resampling=resampling)
    assert not one.valid[0][:, :19].any()
    assert one.valid[0][:, 22:].all()


@pytest.mark.parametrize("nodata", [None, math.nan, -9999.0])
def test_nan_is_empty_in_floating_files(scenes, nodata):
    pixels = gradient().astype(np.float32)
    pixels[0, 0] = math.nan
    if nodata is not None:
        pixels[1, 1] = nodata
    scenes.add(scenes.write(pixels, transform=HERE, nodata=nodata))
    for shift in (0, 0.001):
        grid = Grid("EPSG:32632", HERE @ Affine.translation(shift, shift), 40, 50)
        (one,) = scenes.cube({"v": DataFormat(dtype="float32", nodata=math.nan)}, grid=grid)
        empty = [[0, 0]] if nodata is None else [[0, 0], [1, 1]]
        assert np.argwhere(~one.valid[0]).tolist() == empty
        assert np.isnan(one.data[0][0, 0])


@pytest.mark.parametrize("resampling", ["nearest", "mode", "cubic"])
def test_fields_tell_how_they_may_be_resampled_further(scenes, resampling):
    scenes.add(scenes.write(gradient(), transform=HERE))
    plan = scenes.plan({"v": U16, "double": "v * 2"}, resampling=resampling)
    assert [field.resampling for field in plan.header.fields] == [resampling, "average"]


def test_stored_counts_become_external_values(scenes):
    pixels = np.array([[0, 5000, 10000, -9999]], np.int16)
    path = scenes.write(pixels, transform=HERE, nodata=-9999)
    scenes.add(path, mapping=ValueMapping(imin=0, imax=10000, emin=0, emax=1))
    (one,) = scenes.cube({"v": DataFormat(dtype="float32", nodata=-1)})
    assert one.data[0].tolist() == [[0, 0.5, 1, -1]]
    (one,) = scenes.cube({"v": DataFormat(dtype="uint8", nodata=0)})
    assert one.data[0].tolist() == [[1, 1, 1, 0]]  # 0 is valid and moves off nodata; 0.5 rounds up
    assert one.valid[0].tolist() == [[True, True, True, False]]


def test_within_a_record_the_later_dataset_lies_on_top(scenes):
    below, above = gradient(), np.zeros((40, 50), np.uint16)
    above[:20] = 7
    record = scenes.add(scenes.write(below, transform=HERE))
    scenes.add(scenes.write(above, transform=HERE), record=record)
    (one,) = scenes.cube({"v": U16})
    assert (one.data[0][:20] == 7).all()
    assert np.array_equal(one.data[0][20:], below[20:])


def test_groups_are_mosaicked_in_the_callers_order(scenes):
    for value in (1, 2, 3):
        scenes.add(scenes.write(np.full((4, 4), value, np.uint16), transform=HERE), day=value)
    for order, top in (("R1,R2,R3", 3), ("R3,R2,R1", 1), ("R3,R1,R2", 2)):
        (one,) = scenes.cube({"v": U16}, group=order)
        assert (one.data[0] == top).all()
        (one,) = scenes.cube({"v": U16}, group=order, mosaic="first")
        assert (one.data[0] == int(order[1])).all()


def test_computed_fields_are_computed_before_the_mosaic(scenes):
    """The median of a ratio is not the ratio of medians."""
    stack = np.array([[[[10]], [[1]]], [[[20]], [[10]]], [[[300]], [[100]]]], np.uint16)
    for day, bands in enumerate(stack):
        scenes.add(scenes.write(bands, transform=HERE), day=day, bands=(1, 2))
    (one,) = scenes.cube({"a": U16, "b": U16, "r": "a / b"}, group="all", mosaic="median", ask=("r",))
    assert one.data[0].tolist() == [[3.0]]
    assert one.data[0].dtype == np.float32


def test_computed_fields_are_empty_where_an_input_is_or_the_result_is_not_finite(scenes):
    a, b = np.array([[4, 0, 4, 4]], np.uint16), np.array([[2, 2, 0, 4]], np.uint16)
    scenes.add(scenes.write(np.stack([a, b]), transform=HERE), bands=(1, 2))
    (one,) = scenes.cube({"a": U16, "b": U16, "r": "1 / (a - b)"}, ask=("r",))
    assert one.valid[0].tolist() == [[True, False, False, False]]
    assert one.data[0][0, 0] == 0.5


def test_a_mask_holds_for_the_record_it_was_seen_in(scenes):
    """Clouds of one day do not hide the next."""
    keep = MaskRule(name="clear", field="q", values=frozenset({1}), default_for=("v",))
    for day, (value, quality) in enumerate([(10, [1, 1, 9]), (20, [9, 1, 9])]):
        bands = np.stack([np.full((1, 3), value), [quality]]).astype(np.uint16)
        scenes.add(scenes.write(bands, transform=HERE), day=day, bands=(1, 2))
    fields = {"v": U16, "q": U16}
    (one,) = scenes.cube(fields, group="all", masks=(keep,), ask=("v",))
    assert one.data[0].tolist() == [[10, 20, 0]]
    (one,) = scenes.cube(fields, group="all", masks=(keep,), mask="none", ask=("v",))
    assert one.data[0].tolist() == [[20, 20, 20]]


def test_a_slice_without_a_valid_pixel_says_so(scenes):
    scenes.add(scenes.write(np.zeros((4, 4), np.uint16), transform=HERE))
    (one,) = scenes.cube({"v": U16})
    assert one.status is SliceStatus.EMPTY


def test_a_file_that_is_gone_fails_its_own_slice_alone(scenes):
    paths = [scenes.write(gradient(), transform=HERE) for _ in range(3)]
    for day, path in enumerate(paths):
        scenes.add(path, day=day)
    paths[1].unlink()
    slices = scenes.cube({"v": U16})
    assert [one.status for one in slices] == [SliceStatus.OK, SliceStatus.FAILED, SliceStatus.OK]
    assert paths[1].name in slices[1].message
    assert not slices[1].valid[0].any()
    assert (slices[1].data[0] == 0).all()


def test_a_truncated_file_fails_its_own_slice_alone(scenes):
    path = scenes.write(np.random.default_rng(1).integers(1, 60000, (400, 400), np.uint16), transform=HERE)
    scenes.add(path)
    scenes.add(scenes.write(gradient(), transform=HERE), day=1)
    path.write_bytes(path.read_bytes()[:2000])
    slices = scenes.cube({"v": U16})
    assert [one.status for one in slices] == [SliceStatus.FAILED, SliceStatus.OK]


def test_a_file_replaced_by_another_type_is_not_misread(scenes, caplog):
    path = scenes.write(gradient(), transform=HERE)
    scenes.add(path)
    with rasterio.open(path, "w", driver="GTiff", width=50, height=40, count=1, dtype="float32", crs="EPSG:32632",
                       transform=HERE) as file:  # fmt: skip
        file.write(np.ones((1, 40, 50), np.float32))
    (one,) = scenes.cube({"v": U16})
    assert one.status is SliceStatus.FAILED
    assert "index it again" in caplog.text


def test_a_file_replaced_by_one_elsewhere_is_not_drawn_in_its_old_place(scenes, caplog):
    path = scenes.write(gradient(), transform=HERE)
    scenes.add(path)
    moved = scenes.write(gradient(), transform=HERE @ Affine.translation(10, 0))
    path.write_bytes(moved.read_bytes())
    (one,) = scenes.cube({"v": U16})
    assert one.status is SliceStatus.FAILED
    assert "was replaced" in caplog.text


@pytest.mark.parametrize("mosaic", ["last", "first", "max", "median", "count"])
def test_a_step_goes_on_without_a_record_that_can_not_be_read(scenes, mosaic):
    paths = [scenes.write(np.full((4, 4), value, np.uint16), transform=HERE) for value in (1, 2, 3)]
    for day, path in enumerate(paths):
        scenes.add(path, day=day)
    for broken, expected in (
        (0, {"last": 3, "first": 2, "max": 3, "median": 2.5, "count": 2}),
        (2, {"last": 2, "first": 2, "max": 2, "median": 2, "count": 1}),
    ):
        paths[broken].write_bytes(b"broken")
        (one,) = scenes.cube({"v": U16}, group="all", mosaic=mosaic)
        assert (one.data[0] == expected[mosaic]).all()
        if mosaic == "last" and broken == 0:
            assert one.status is SliceStatus.OK  # complete before the broken one was needed
        else:
            assert one.status is SliceStatus.PARTIAL
            assert f"{paths[0 if mosaic == 'first' else broken].name} could not be read" in one.message


@pytest.mark.parametrize(
    ("resampling", "width"), [("nearest", 1), ("bilinear", 2), ("cubic", 4), ("lanczos", 6), ("mode", 2)]
)
def test_resampled_pixels_cost_the_width_of_their_kernel(scenes, resampling, width):
    for day in range(3):
        scenes.add(scenes.write(np.stack([gradient(), gradient()]), transform=HERE), day=day, bands=(1, 2))
    fields = {"a": U16, "b": U16}
    assert scenes.plan(fields, resampling=resampling).pixels == 3 * 2 * 40 * 50  # copied
    grid = Grid("EPSG:32632", HERE @ Affine.translation(0.5, 0.5), 20, 30)
    assert scenes.plan(fields, grid=grid, resampling=resampling).pixels == 3 * 2 * 20 * 30 * width


class Counted:
    """An observer that counts."""

    def __init__(self):
        self.files, self.reasons, self.statuses = 0, [], []

    def files_read(self, count, size):
        self.files += count

    def fell_back(self, reason):
        self.reasons.append(reason)

    def slice_made(self, status, message):
        self.statuses.append(status)


def test_work_that_nobody_wants_stops_before_the_next_files(scenes):
    for day in range(5):
        scenes.add(scenes.write(gradient(), transform=HERE), day=day)
    asked, seen = [], Counted()

    def stop():
        asked.append(1)
        if len(asked) > 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        list(execute(scenes.plan({"v": U16}), stop=stop, observer=seen))
    assert seen.files <= 2


def test_closing_the_stream_stops_the_reading(scenes):
    path = scenes.write(gradient(), transform=HERE)
    for day in range(100):
        scenes.add(path, day=day)
    seen = Counted()
    plan = scenes.plan({"v": U16})
    slices = execute(plan, observer=seen)
    next(slices)
    slices.close()
    read = seen.files
    assert read <= plan.at_once + 1 < 100
    list(execute(scenes.plan({"v": U16}, group="all")))  # whatever is left would be done by now
    assert seen.files == read


def test_the_last_of_many_complete_layers_needs_one_file(scenes):
    for day in range(5):
        scenes.add(scenes.write(gradient() + day, transform=HERE, nodata=None), day=day)
    seen = Counted()
    [one] = execute(scenes.plan({"v": U16}, group="all"), observer=seen)
    assert seen.files == 1
    assert np.array_equal(one.data[0], gradient() + 4)


def test_files_that_gdal_reads_are_told_with_the_reason(scenes):
    scenes.add(scenes.write(gradient(), transform=HERE))
    seen = Counted()
    list(execute(scenes.plan({"v": U16}), observer=seen))
    assert seen.reasons == ([] if scenes.by_layout else ["no layout is stored"])
    assert seen.statuses == [SliceStatus.OK]


def test_the_plan_is_json_and_counts_what_is_read(scenes):
    scenes.add(scenes.write(np.stack([gradient(), gradient()]), transform=HERE), bands=(1, 2))
    plan = scenes.plan({"a": U16, "b": U16, "r": "a + b"})
    document = json.loads(json.dumps(plan_document(plan)))
    assert document["cost"]["readBytes"] == 40 * 50 * 2 * 2
    assert document["cost"]["outputBytes"] == 40 * 50 * (2 + 2 + 4)
    assert Grid.from_json(document["grid"]) == plan.grid


def test_a_plan_is_executed_from_its_document_alone(scenes):
    path = scenes.write(np.stack([gradient(), gradient() + 1]), transform=HERE)
    scenes.add(path, bands=(1, 2), mapping=ValueMapping(imin=0, imax=10, emin=-3, emax=17, exponent=2))
    scenes.add(scenes.write(np.stack([gradient(), gradient()]), transform=HERE), bands=(2, 1), day=1)
    rule = MaskRule(name="b", field="b", values=frozenset(range(40)), keep=False)
    plan = scenes.plan({"a": U16, "b": U16, "r": "a + b"}, masks=(rule,), mask="b", group="all", mosaic="mean")
    again = parse_plan(json.loads(json.dumps(plan_document(plan))))
    assert plan_document(again) == plan_document(plan)
    for one, other in zip(execute(plan), execute(again), strict=True):
        for name in ("data", "valid"):
            for before, after in zip(getattr(one, name), getattr(other, name), strict=True):
                np.testing.assert_array_equal(before, after)
        assert one.status is other.status is SliceStatus.OK


def test_a_plan_covers_each_dataset_of_the_request_once(scenes):
    for day in range(4):
        record = scenes.add(scenes.write(gradient(), transform=HERE), day=day)
        scenes.add(scenes.write(gradient(), transform=HERE), record=record)
    ids = [i for step in scenes.plan({"v": U16}, group="all").steps for i in step.dataset_ids]
    assert sorted(ids) == list(range(1, 9))


def test_a_step_beside_the_grid_vanishes(scenes):
    scenes.add(scenes.write(gradient(), transform=HERE))
    scenes.add(scenes.write(gradient(), transform=HERE @ Affine.translation(1000, 0)), day=1)
    assert [one.step.records for one in scenes.plan({"v": U16}).slices] == [("R1",)]


@pytest.mark.parametrize(
    ("limit", "what"),
    [
        ("output_bytes", "answer"),
        ("read_bytes", "read"),
        ("working_bytes", "memory"),
        ("pixels", "pixels to compute"),
        ("slices", "time steps"),
    ],
)
def test_each_budget_refuses_before_anything_is_read(scenes, limit, what):
    scenes.add(scenes.write(gradient(), transform=HERE))
    plan = scenes.plan({"v": U16})
    allowed = {"output_bytes": 10**9, "read_bytes": 10**9, "working_bytes": 10**9, "pixels": 10**9, "slices": 10}
    check_budget(plan, **allowed)
    with pytest.raises(BudgetExceeded, match=what):
        check_budget(plan, **{**allowed, limit: 0 if limit == "slices" else 100})


def test_a_60000_pixel_square_is_refused_without_memory(scenes):
    import resource

    scenes.add(scenes.write(gradient(), transform=HERE))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    grid = Grid("EPSG:32632", HERE, 60000, 60000)
    with pytest.raises(BudgetExceeded, match="would fit"):
        check_budget(
            scenes.plan({"v": U16}, grid=grid),
            output_bytes=2**29,
            read_bytes=2**32,
            working_bytes=2**30,
            pixels=10**12,
            slices=9,
        )
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kilobytes


def test_slices_before_a_light_one_that_is_given_up_still_come(scenes):
    for _ in range(4):
        scenes.add(scenes.write(gradient(), transform=HERE))
    plan = scenes.plan({"v": U16}, grid=scenes.datasets[0].grid.shifted(3, 4, height=1, width=1))
    asked = 0

    def stop():
        nonlocal asked
        asked += 1
        if asked > most:
            raise Cancelled

    most = math.inf
    assert len(list(execute(plan, stop=stop))) == 4
    each = asked // 4
    asked, most = 0, 2 * each  # the third is given up, which is begun before the first is taken
    slices = execute(plan, stop=stop)
    assert [next(slices).data[0][0, 0] for _ in range(2)] == [gradient()[3, 4]] * 2
    with pytest.raises(Cancelled):
        next(slices)
    assert (engine().busy, engine().waiting) == (0, 0)
