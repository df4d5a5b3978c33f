"""Slices that are filled from the top down: as if computed record by record, and as plain Python computes them."""

import math
import tracemalloc
from dataclasses import dataclass, replace
from unittest import mock

import numpy as np
import pytest
from affine import Affine
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from prismcube.cube import rooms
from prismcube.cube.engine import Engine, EngineSettings, execute
from prismcube.cube.gate import never
from prismcube.cube.observer import NOBODY
from prismcube.cube.plan import CubePlan
from prismcube.model.cube import SliceStatus
from prismcube.model.formats import DTYPES, DataFormat, ValueMapping
from prismcube.model.grid import Grid
from prismcube.model.mask import MaskRule
from tests.judge import warped

HERE = Affine(10, 0, 500000, 0, -10, 5000000)
U16 = DataFormat(dtype="uint16", nodata=0)
CLEAR = MaskRule(name="clear", field="q", values=frozenset({1, 2}))
BITS = MaskRule(name="bits", field="q", values=frozenset({0, 3}), bits=True, keep=False)

MAPPINGS = (
    ValueMapping(),
    ValueMapping(imin=0, imax=10, emin=0, emax=1),
    ValueMapping(imin=-5, imax=100, emin=-300, emax=70000),
    ValueMapping(imin=0, imax=100, emin=1, emax=9, exponent=2.5),
)


@pytest.fixture(scope="module")
def engine():
    """Of one thread: where GDAL warps in two, rasterio's own way of silencing warnings lets some through."""
    return Engine(EngineSettings(threads=1))


def made(engine, plan):
    jobs = ((plan, index) for index in range(len(plan.slices)))
    return list(engine.run(jobs, at_once=1, keep=False, stop=never, observer=NOBODY))


def computed(engine, plan):
    """The slices as they would be with an expression among the fields."""
    with mock.patch.object(CubePlan, "is_filled", new=False):
        return made(engine, plan)


def check_equal(one, other):
    for name in ("data", "valid"):
        for mine, theirs in zip(getattr(one, name), getattr(other, name), strict=True):
            np.testing.assert_array_equal(mine, theirs)
            assert mine.dtype == theirs.dtype
    assert one.status is other.status
    assert bool(one.message) == bool(other.message)  # of two files of a record that are gone either is named


def nodata_of(kind, dtype):
    """None, a value of the type, its greatest one, or NaN."""
    is_floating = np.dtype(dtype).kind == "f"
    most = float(np.finfo(np.float32).max if is_floating else np.iinfo(dtype).max)
    return {"none": None, "zero": 0.0, "one": 1.0, "max": most, "nan": math.nan if is_floating else None}[kind]


def noise(random, dtype, nodata, shape):
    """Numbers near 0 and at the ends of a type, many of them nodata."""
    if np.dtype(dtype).kind == "f":
        pixels = random.integers(-200, 200, shape).astype(dtype) / 3
        pixels[random.random(shape) < 0.2] = 1.0
        pixels[random.random(shape) < 0.1] = math.nan
    else:
        info = np.iinfo(dtype)
        ends = np.array([info.min, info.min + 1, 0, 1, 2, 3, info.max - 1, info.max]).astype(dtype)
        pixels = np.where(
            random.random(shape) < 0.5, random.choice(ends, shape), random.integers(0, 120, shape).astype(dtype)
        )
    if nodata is not None:
        pixels[random.random(shape) < 0.3] = nodata
    return pixels


KINDS = st.sampled_from(["none", "zero", "one", "max", "nan"])


@dataclass(frozen=True)
class File:
    dtype: str
    nodata: str
    mapping: ValueMapping
    record: int
    field: int
    """0 and 1: of the answer; 2: quality."""
    row: int
    col: int
    is_gone: bool


FILES = st.builds(
    File,
    dtype=st.sampled_from(DTYPES),
    nodata=KINDS,
    mapping=st.sampled_from(MAPPINGS),
    record=st.integers(0, 2),
    field=st.integers(0, 2),
    row=st.integers(-9, 9),
    col=st.integers(-9, 9),
    is_gone=st.sampled_from([False] * 9 + [True]),
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=80, deadline=None
)
@given(
    files=st.lists(FILES, min_size=1, max_size=6),
    to=st.tuples(st.sampled_from(DTYPES), KINDS),
    second=st.tuples(st.sampled_from(DTYPES), KINDS),
    rules=st.tuples(st.sampled_from([None, CLEAR, BITS]), st.sampled_from([None, CLEAR, BITS])),
    mosaic=st.sampled_from(["first", "last"]),
    place=st.sampled_from(["copy", "shifted", "mercator"]),
    resampling=st.sampled_from(["nearest", "bilinear", "cubic", "average", "mode"]),
    side=st.sampled_from([19, 19, 19, 270]),
    seed=st.integers(0, 9),
)
def test_filled_slices_equal_computed_ones(
    engine, tmp_path_factory, scenes_in, files, to, second, rules, mosaic, place, resampling, side, seed
):
    scenes, random = scenes_in(tmp_path_factory.mktemp("f")), np.random.default_rng(seed)
    records, gone = {}, []
    for file in files:
        nodata = nodata_of(file.nodata, file.dtype)
        shape, transform = (side, side + 3), HERE @ Affine.translation(file.col, file.row)
        pixels = noise(random, file.dtype, nodata, shape)
        path = scenes.write(pixels, transform=transform, nodata=nodata)
        record = scenes.add(
            path,
            day=file.record,
            record=records.get(file.record),
            instance=file.field + 1,
            mapping=file.mapping if file.field < 2 else None,
        )
        records[file.record] = record
        gone += [path] if file.is_gone else []
    grid = Grid("EPSG:32632", HERE, side, side)
    if place == "shifted":
        grid = Grid("EPSG:32632", HERE @ Affine.translation(0.3, 0.6), side, side)
    elif place == "mercator":
        grid = Grid.from_bounds("EPSG:3857", grid.bounds.to_crs(grid.crs, "EPSG:3857"), width=side, height=side)
    formats = [DataFormat(dtype=dtype, nodata=nodata_of(kind, dtype)) for dtype, kind in (to, second)]
    plan = scenes.plan(
        {"v": formats[0], "w": formats[1], "q": DataFormat(dtype="uint8")},
        instances={"v": 1, "w": 2, "q": 3},
        grid=grid,
        group="all",
        mosaic=mosaic,
        resampling=resampling,
        masks=tuple(
            replace(rule, name=name, default_for=(name,)) for name, rule in zip("vw", rules, strict=True) if rule
        ),
        ask=("v", "w"),
    )
    assume(not any(plan.is_plain(one) for one in plan.slices))  # which have a rule of their own
    for path in gone:
        path.unlink()
    for one, other in zip(made(engine, plan), computed(engine, plan), strict=True):
        check_equal(one, other)


def real(mapping, v):
    """The documented formula, of one number."""
    unit = (float(v) - mapping.imin) / (mapping.imax - mapping.imin)
    return mapping.emin + (mapping.emax - mapping.emin) * math.copysign(abs(unit) ** mapping.exponent, unit)


def handed_out(value, dtype, nodata):
    """The documented cast, of one number: rounded, clamped, beside nodata."""
    if np.dtype(dtype).kind == "f":
        return np.dtype(dtype).type(value)
    info = np.iinfo(dtype)
    count = int(math.copysign(math.floor(abs(value) + 0.5), value))
    count = min(max(count, info.min), info.max)
    if nodata is not None and count == nodata:
        beside = count - 1 if value < nodata else count + 1
        count = beside if info.min <= beside <= info.max else 2 * count - beside
    return count


@pytest.mark.parametrize("stored", DTYPES)
@pytest.mark.parametrize(("dtype", "nodata"), [("uint8", 0), ("int16", -32768), ("uint32", 7), ("float64", None)])
@pytest.mark.parametrize("place", ["copy", "warp"])
def test_what_is_filled_is_what_python_computes(scenes, stored, dtype, nodata, place):
    """Mapped, cast, masked, the topmost on top; files that are warped are those of rasterio."""
    mapping = ValueMapping(imin=0, imax=40, emin=-3, emax=21)
    random = np.random.default_rng(3)
    side = 270 if place == "copy" else 19  # as many pixels as there are numbers of 16 bits, and not
    shift = 0.0 if place == "copy" else 0.3
    grid = Grid("EPSG:32632", HERE @ Affine.translation(shift, shift), side, side)
    expected = np.full((side, side), math.nan if nodata is None else nodata, dtype)
    filled = np.zeros((side, side), bool)
    layers = []
    for day in range(2):
        pixels = noise(random, stored, 0, (side, side))
        quality = random.integers(0, 4, (side, side)).astype(np.uint8)
        record = scenes.add(scenes.write(pixels, transform=HERE, nodata=0), day=day, mapping=mapping)
        scenes.add(scenes.write(quality, transform=HERE, nodata=0), record=record, instance=2)
        source = scenes.datasets[0].grid
        layers.append([warped(one, source, grid, "nearest", 0)[0] if shift else one for one in (pixels, quality)])
    for values, judged in reversed(layers):
        new = (values != 0) & (values == values) & np.isin(judged, (1, 2)) & ~filled
        for value in np.unique(values[new]):
            expected[new & (values == value)] = handed_out(real(mapping, value), dtype, nodata)
        filled |= new
    (one,) = scenes.cube(
        {"v": DataFormat(dtype=dtype, nodata=nodata), "q": DataFormat(dtype="uint8")},
        instances={"v": 1, "q": 2},
        grid=grid,
        group="all",
        masks=(replace(CLEAR, default_for=("v",)),),
        ask=("v",),
    )
    assert 0.3 < filled.mean() < 1
    np.testing.assert_array_equal(one.valid[0], filled)
    np.testing.assert_array_equal(one.data[0], expected)


def test_a_record_that_can_not_be_read_as_a_whole_is_left_out(scenes):
    """Its other file must not be in the answer, whichever comes first."""
    below = scenes.add(scenes.write(np.full((20, 20), 40, np.uint16), transform=HERE), mapping=MAPPINGS[1])
    for gone in (0, 1):
        paths = [scenes.write(np.full((20, 10), 70, np.uint16), transform=HERE @ Affine.translation(10 * n, 0))
                 for n in range(2)]  # fmt: skip
        record = scenes.add(paths[0], day=1, mapping=MAPPINGS[1])
        scenes.add(paths[1], record=record, mapping=MAPPINGS[1])
        paths[gone].unlink()
        (one,) = scenes.cube({"v": U16}, group="all")
        assert (one.data[0] == 4).all()
        assert one.status is SliceStatus.PARTIAL
        assert paths[gone].name in one.message
    assert below.name == "R1"


def test_no_file_is_read_below_a_record_that_fills_everything(scenes):
    for day in range(3):
        bands = np.stack([np.full((20, 20), day + 1), np.ones((20, 20))]).astype(np.uint16)
        scenes.add(scenes.write(bands, transform=HERE), day=day, bands=(1, 2))
    plan = scenes.plan({"v": U16, "q": U16}, group="all", masks=(replace(CLEAR, default_for=("v",)),), ask=("v",))
    (first, *_) = (step for layer in plan.slices[0].layers for step in layer.steps)
    scenes.folder.joinpath(first.uri.rpartition("/")[2]).unlink()
    (one,) = execute(plan)
    assert (one.data[0] == 3).all()
    assert one.status is SliceStatus.OK


def test_infinite_numbers_stay_or_become_the_greatest(engine, scenes):
    pixels = np.array([[math.inf, -math.inf, 1.5]], np.float32)
    scenes.add(scenes.write(pixels, transform=HERE, nodata=None))
    rule = MaskRule(name="r", field="v", values=frozenset({99}), keep=False, default_for=("v",))
    for dtype, masks, expected in (
        ("float32", (), [math.inf, -math.inf, 1.5]),
        ("float32", (rule,), [math.inf, -math.inf, 1.5]),
        ("float64", (), [np.finfo(np.float64).max, np.finfo(np.float64).min, 1.5]),
        ("int16", (), [32767, -32768, 2]),
    ):
        plan = scenes.plan({"v": DataFormat(dtype=dtype)}, masks=masks)
        (one,), (other,) = made(engine, plan), computed(engine, plan)
        assert one.data[0].tolist() == [expected]
        check_equal(one, other)


SIDE = 768


@pytest.mark.parametrize(
    ("mosaic", "masked", "place"),
    [
        ("last", False, 0),
        ("last", True, 0),
        ("last", False, 0.4),
        ("last", True, 0.4),
        ("mean", True, 0),
        ("median", False, 0.4),
        ("count", True, 0.4),
    ],
)
@pytest.mark.parametrize(
    ("stored", "to"), [("uint16", "uint16"), ("uint8", "float64"), ("float32", "uint16"), ("int32", "float32")]
)
def test_the_plan_tells_the_memory_that_a_slice_takes(
    engine, tmp_path, scenes_in, stored, to, place, masked, mosaic, monkeypatch
):
    scenes = scenes_in(tmp_path)
    random = np.random.default_rng(1)
    for day in range(3):
        bands = random.integers(0, 5, (2, SIDE, SIDE)).astype(stored)
        scenes.add(scenes.write(bands, transform=HERE), day=day, bands=(1, 2))
    plan = scenes.plan(
        {"v": DataFormat(dtype=to, nodata=0), "q": DataFormat(dtype="uint8")},
        grid=Grid("EPSG:32632", HERE @ Affine.translation(place, place), SIDE, SIDE),
        group="all",
        mosaic=mosaic,
        resampling="bilinear",
        masks=(replace(CLEAR, default_for=("v",)),) if masked else (),
        ask=("v",),
    )
    made(engine, plan)  # kernels, meshes, tables
    monkeypatch.setattr(rooms, "LARGEST", 0)  # tracemalloc sees what numpy takes, and no other memory
    tracemalloc.start()
    try:
        made(engine, plan)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 0.3 * plan.slice_bytes < peak < 1.05 * plan.slice_bytes + 2**21  # of what is computed in a few rows
