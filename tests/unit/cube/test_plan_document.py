"""A plan comes back from its document; a document that is none is refused, naming the part."""

from __future__ import annotations

import base64
import json
import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from prismcube.cube.plan import BandRead, CubePlan, LayerPlan, ReadStep, SlicePlan
from prismcube.cube.plan_document import MOST_LAYOUT_BYTES, parse_plan, plan_document
from prismcube.errors import InvalidInput
from prismcube.model.collection import ComputedField
from prismcube.model.cube import OutputField, Step
from prismcube.model.entities import RESAMPLINGS
from prismcube.model.expression import Expression
from prismcube.model.formats import DTYPES, DataFormat, ValueMapping
from prismcube.model.grid import Grid
from prismcube.model.mask import MaskRule
from prismcube.model.slant import Slant
from prismcube.tiff.layout import Layout, Level

numbers = st.floats(-1e12, 1e12)


def layout_for(grid: Grid, dtype: str) -> Layout:
    rows = 1 + grid.height // 64
    shape = (1, -(-grid.height // rows), 1)
    counts = np.arange(1, shape[1] + 1, dtype=np.uint64).reshape(shape)
    image = Level(
        height=grid.height, width=grid.width, block_height=rows, block_width=grid.width, dtype=dtype, codec="deflate",
        predictor=1, big_endian=False, bands=300, planar=False, strips=True, counts=counts,
        offsets=counts * np.uint64(7),
    )  # fmt: skip
    return Layout(levels=(image,), nodata=None)


@st.composite
def grids(draw: st.DrawFn, side: int = 200) -> Grid:
    size, place = st.floats(1e-6, 1e5), st.floats(-1e7, 1e7)
    transform = Affine(draw(size), 0, draw(place), 0, -draw(size), draw(place))
    crs = draw(st.sampled_from(["EPSG:4326", "EPSG:3857", "EPSG:32632"]))
    return Grid(crs, transform, draw(st.integers(1, side)), draw(st.integers(1, side)))


@st.composite
def formats(draw: st.DrawFn) -> DataFormat:
    dtype = draw(st.sampled_from(DTYPES))
    values = st.floats() if dtype.startswith("float") else st.integers(0, 100).map(float)
    low, high = draw(st.none() | st.floats(-5, 0)), draw(st.none() | st.floats(1, 5))
    return DataFormat(dtype=dtype, nodata=draw(st.none() | values), minimum=low, maximum=high)


@st.composite
def slants(draw: st.DrawFn) -> Slant:
    turned = Affine.rotation(draw(st.floats(0, 360))) @ Affine.shear(draw(st.floats(-40, 40)))
    size = st.floats(0.1, 1000)
    return Slant(turned @ Affine.scale(draw(size), draw(size)), draw(st.integers(1, 200)), draw(st.integers(1, 200)))


@st.composite
def steps(draw: st.DrawFn) -> ReadStep:
    grid, format = draw(grids()), draw(formats())
    slant = draw(st.none() | slants())
    offset = draw(st.none() | st.tuples(st.integers(-9, 9), st.integers(-9, 9)))
    if slant is not None:
        grid, offset = slant.upright("EPSG:32632"), None
    low = st.floats(-1e6, 0)
    mapping = st.builds(
        ValueMapping, imin=low, imax=st.floats(1, 1e6), emin=low, emax=st.floats(1, 1e6), exponent=st.floats(0.1, 9)
    )
    band = st.builds(BandRead, st.text(max_size=9), st.integers(1, 300), mapping)
    return ReadStep(
        dataset_ids=tuple(draw(st.lists(st.integers(0, 2**53 - 1), max_size=3))),
        uri=draw(st.text(max_size=30)),
        subdir=draw(st.text(max_size=30)),
        grid=grid,
        format=format,
        mode="copy" if offset else "warp",
        resampling=draw(st.sampled_from(RESAMPLINGS)),
        bands=tuple(draw(st.lists(band, min_size=1, max_size=3))),
        offset=offset,
        read_bytes=draw(st.integers(0, 2**53 - 1)),
        etag=draw(st.text(max_size=30)),
        turn=draw(numbers),
        slant=slant,
        layout=layout_for(grid, format.dtype) if slant is None and draw(st.booleans()) else None,
        fallback=draw(st.text(max_size=9)),
    )


@st.composite
def plans(draw: st.DrawFn) -> CubePlan:
    fields = draw(
        st.lists(
            st.builds(
                OutputField,
                st.text(max_size=9),
                formats(),
                st.text(max_size=9),
                st.text(max_size=9),
                st.sampled_from(RESAMPLINGS),
            ),
            min_size=1,
            max_size=3,
            unique_by=lambda one: one.name,
        )
    )
    instants = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
    layers = st.lists(
        st.builds(
            LayerPlan, st.integers(0, 2**53 - 1), st.text(max_size=9), st.lists(steps(), max_size=2).map(tuple)
        ),
        min_size=1, max_size=2,
    )  # fmt: skip
    slices = []
    for layer in draw(st.lists(layers, max_size=2)):
        step = Step(draw(instants), draw(instants), tuple(one.record for one in layer))
        slices.append(SlicePlan(step, tuple(layer)))
    rules = st.sampled_from(["SCL:4-7", "QA:!bits:3,4", "SCL:!8"]).map(MaskRule.parse)
    computed = st.builds(
        ComputedField, name=st.text(max_size=9), expression=st.sampled_from(["a + b", "(a-b)/2"]).map(Expression)
    )
    return CubePlan(
        grid=draw(grids(2**31 - 1)),
        fields=tuple(fields),
        computed=tuple(draw(st.lists(computed, max_size=2))),
        masks={one.name: draw(rules) for one in fields if draw(st.booleans())},
        mosaic=draw(st.sampled_from(["last", "median", "count"])),
        slices=tuple(slices),
    )


def sent(plan: CubePlan) -> Any:
    return json.loads(json.dumps(plan_document(plan), allow_nan=False))


@given(plans())
@settings(max_examples=50)
def test_round_trip(plan: CubePlan) -> None:
    document = sent(plan)
    again = parse_plan(document)
    assert sent(again) == document
    assert again.header.steps == plan.header.steps
    assert repr(again.fields) == repr(plan.fields)
    assert again.cost() == plan.cost()
    for one, other in zip(plan.steps, again.steps, strict=True):
        assert (one.layout is None) == (other.layout is None)
        assert repr(one.bands) == repr(other.bands)
        if one.layout and other.layout:
            np.testing.assert_array_equal(one.layout.levels[0].offsets, other.layout.levels[0].offsets)


@given(plans())
@settings(max_examples=20)
def test_without_layouts(plan: CubePlan) -> None:
    """The files' states are named all the same."""
    document = plan_document(plan, layouts=False)
    assert document["layouts"] == []
    again = parse_plan(json.loads(json.dumps(document)))
    assert all(step.layout is None for step in again.steps)
    assert again.etags == plan.etags


def a_plan() -> Any:
    grid = Grid("EPSG:32632", Affine(10, 0, 5e5, 0, -10, 5e6), 20, 30)
    uint16 = DataFormat(dtype="uint16", nodata=0)
    step = ReadStep(
        dataset_ids=(1,), uri="file:///a.tif", subdir="", grid=grid, format=uint16, mode="copy", resampling="nearest",
        bands=(BandRead("v", 1, ValueMapping()),), offset=(0, 0), read_bytes=1200, etag="1-2",
        layout=layout_for(grid, "uint16"),
    )  # fmt: skip
    when = datetime(2020, 1, 1, tzinfo=UTC)
    return sent(
        CubePlan(
            grid=grid,
            fields=(OutputField("v", uint16),),
            computed=(ComputedField(name="c", expression=Expression("v + 1")),),
            masks={"v": MaskRule.parse("SCL:4-7")},
            mosaic="last",
            slices=(SlicePlan(Step(when, when, ("R",)), (LayerPlan(1, "R", (step,)),)),),
        )
    )


BOMB = base64.b64encode(b"\x01" + (2**28).to_bytes(4, "little") + b"x" * 9).decode()
SLANT = {"transform": [10, 0, 5e5, 0, 10, 5e6 - 200], "width": 30, "height": 20}
"""Of a file that is upside down in the plan's grid."""
STEP = ("slices", 0, "layers", 0, "steps", 0)


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("type",), "Cube", "plan.type"),
        (("grid",), [], "plan.grid"),
        (("grid", "crs"), "EPSG:0", "plan.grid.crs"),
        (("grid", "crs"), "EPSG:4979", "plan.grid.crs"),
        (("grid", "crs"), "EPSG:4978", "plan.grid.crs"),
        (("grid", "crs"), "EPSG:7415", "plan.grid.crs"),
        ((*STEP, "grid", "crs"), "EPSG:4979", "plan.slices[0].layers[0].steps[0].grid.crs"),
        ((*STEP, "grid", "crs"), "EPSG:4978", "plan.slices[0].layers[0].steps[0].grid.crs"),
        (("grid", "transform"), [10, 0, 0, 0, -10], "plan.grid.transform"),
        (("grid", "transform"), [10, 0, 1e308, 0, -1e308, 1e308], "plan.grid.transform"),
        (("grid", "transform"), [10, 1, 0, 0, -10, 0], "plan.grid.transform"),
        (("grid", "transform", 2), "0", "plan.grid.transform"),
        (("grid", "height"), 0, "plan.grid.height"),
        (("grid", "width"), 2**40, "plan.grid.width"),
        (("grid", "width"), True, "plan.grid.width"),
        (("fields",), [], "plan.fields"),
        (("fields", 0, "format", "dtype"), "complex64", "plan.fields[0].format.dtype"),
        (("fields", 0, "format", "nodata"), "Inf", "plan.fields[0].format.nodata"),
        (("fields", 0, "format", "nodata"), 10**400, "plan.fields[0].format.nodata"),
        (("fields", 0, "resampling"), "gauss", "plan.fields[0].resampling"),
        (("computed", 0, "expression"), "__import__('os')", "plan.computed[0].expression"),
        (("masks", "w"), "SCL:4", "plan.masks"),
        (("masks", "v"), "SCL", "plan.masks.v"),
        (("mosaic",), "newest", "plan.mosaic"),
        (("slices",), {}, "plan.slices"),
        (("slices", 0, "start"), "yesterday", "plan.slices[0].start"),
        (("slices", 0, "layers"), [], "plan.slices[0].layers"),
        ((*STEP, "offset"), None, "mode"),
        ((*STEP, "offset"), [0], "offset"),
        ((*STEP, "offset"), [0, 2**40], "offset"),
        ((*STEP, "bands"), [], "bands"),
        ((*STEP, "bands", 0, "band"), 0, "band"),
        ((*STEP, "bands", 0, "band"), 301, "layout"),
        ((*STEP, "bands", 0, "mapping", "exponent"), 0, "mapping"),
        ((*STEP, "bands", 0, "mapping", "imax"), -5, "mapping"),
        ((*STEP, "slant"), [], "slant"),
        ((*STEP, "slant"), SLANT, "offset"),
        ((*STEP, "slant"), {**SLANT, "transform": [1, 2, 0, 2, 4, 0]}, "slant.transform"),
        ((*STEP, "slant"), {**SLANT, "transform": [1e300, 0, 0, 0, 1e300, 0]}, "slant.transform"),
        ((*STEP, "slant"), {**SLANT, "transform": [1e9, 0, 0, 0, 1e-9, 1e-300]}, "slant"),
        ((*STEP, "slant"), {**SLANT, "width": 31}, "slant"),
        ((*STEP, "slant"), {**SLANT, "height": 0}, "slant.height"),
        ((*STEP, "uri"), "x" * 3000, "uri"),
        ((*STEP, "readBytes"), -1, "readBytes"),
        ((*STEP, "layout"), 1, "layout"),
        ((*STEP, "layout"), 0.0, "layout"),
        ((*STEP, "grid", "width"), 31, "layout"),
        ((*STEP, "format", "dtype"), "int16", "layout"),
        (("layouts",), ["?"], "plan.layouts[0]"),
        (("layouts",), ["AAAA"], "plan.layouts[0]"),
        (("layouts",), [BOMB], "plan.layouts[0]"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(path: tuple[Any, ...], value: Any, named: str) -> None:
    document = a_plan()
    parse_plan(document)
    part = document
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    with pytest.raises(InvalidInput) as refusal:
        parse_plan(document)
    assert named in refusal.value.parameter
    assert refusal.value.parameter.startswith("plan")


def test_layouts_are_counted_before_they_are_unpacked() -> None:
    assert MOST_LAYOUT_BYTES < 2 * 2**28
    document = a_plan()
    document["layouts"] = document["layouts"] + [BOMB]
    with pytest.raises(InvalidInput, match="are of more than"):
        parse_plan(document)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.data())
def test_any_other_document_is_refused_or_a_plan(data: st.DataObject) -> None:
    document = a_plan()
    for _ in range(data.draw(st.integers(1, 3))):
        part: Any = document
        while True:
            keys = [*part] if isinstance(part, dict) else [*range(len(part))]
            if not keys:
                break
            key = data.draw(st.sampled_from(keys))
            if isinstance(part[key], dict | list) and data.draw(st.booleans()):
                part = part[key]
                continue
            part[key] = data.draw(json_values)
            break
    try:
        plan = parse_plan(document)
    except InvalidInput as error:
        assert error.parameter.startswith("plan")
        return
    assert math.isfinite(plan.output_bytes)


def test_no_document() -> None:
    documents: list[Any] = [None, [], "plan", 3]
    for document in documents:
        with pytest.raises(InvalidInput, match="is no object"):
            parse_plan(document)
