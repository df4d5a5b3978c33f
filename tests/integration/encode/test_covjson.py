"""CoverageJSON of several fields, read back as OGC 21-069r2 says: shape and order from axisNames, null for nothing."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prismcube.encode import covjson
from prismcube.model.cube import Slice, SliceStatus
from prismcube.model.formats import DTYPES, DataFormat
from prismcube.model.series import Series


def read(document, name):
    """(values, valid) of a range in the order of its axes (6.7.1: row-major)."""
    found = document["ranges"][name]
    assert found["type"] == "NdArray"
    axes = document["domain"]["axes"]
    assert found["shape"] == [axes[axis].get("num") or len(axes[axis]["values"]) for axis in found["axisNames"]]
    assert len(found["values"]) == int(np.prod(found["shape"]))
    values = np.array([np.nan if one is None else one for one in found["values"]], dtype=np.float64)
    valid = np.array([one is not None for one in found["values"]])
    return values.reshape(found["shape"]), valid.reshape(found["shape"])


def coordinates(axis):
    return np.array(axis["values"]) if "values" in axis else np.linspace(axis["start"], axis["stop"], axis["num"])


def parsed(body):
    return json.loads(body, parse_constant=pytest.fail)  # NaN and Infinity are not JSON


@settings(max_examples=30)
@given(
    dtypes=st.lists(st.sampled_from(DTYPES), min_size=1, max_size=4),
    shape=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    steps=st.integers(1, 3),
    seed=st.integers(0, 2**32),
)
def test_fields_of_any_types_keep_their_values_and_masks(make_cube, dtypes, shape, steps, seed):
    formats = tuple(DataFormat(dtype=dtype, nodata=3) for dtype in dtypes)
    header, slices = make_cube(formats, shape=shape, steps=steps, seed=seed)
    document = parsed(covjson.grid_coverage(header, slices))
    assert list(document["ranges"]) == list(document["parameters"]) == [field.name for field in header.fields]
    for position, field in enumerate(header.fields):
        values, valid = read(document, field.name)
        assert values.shape == (steps, *shape)
        assert np.array_equal(valid, np.stack([one.valid[position] for one in slices]))
        expected = np.stack([one.data[position] for one in slices])
        # Shortest texts of 32-bit floats: they read back as themselves in their own type.
        assert np.array_equal(values[valid].astype(field.format.dtype), expected[valid])
        whole = "float" if field.format.is_floating else "integer"
        assert document["ranges"][field.name]["dataType"] == whole
        types = {type(one) for one in document["ranges"][field.name]["values"] if one is not None}
        assert types <= ({float} if whole == "float" else {int})


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (3, 4)])
def test_coordinates_are_the_centres_of_pixels(make_cube, formats, shape):
    header, slices = make_cube(formats[:2], shape=shape)
    document = parsed(covjson.grid_coverage(header, slices))
    axes = document["domain"]["axes"]
    assert np.allclose(coordinates(axes["x"]), header.grid.xs(), rtol=0, atol=1e-9)
    assert np.allclose(coordinates(axes["y"]), header.grid.ys(), rtol=0, atol=1e-9)
    assert axes["t"]["values"] == ["2020-02-28T10:30:15Z", "2020-02-29T10:30:15Z"]


def test_a_step_without_any_valid_pixel_is_all_null_and_says_why(make_cube, formats):
    header, slices = make_cube(formats[5:8], steps=2)
    nothing = tuple(np.zeros_like(valid) for valid in slices[1].valid)
    slices[1] = Slice(1, slices[1].data, nothing, SliceStatus.FAILED, "the disk is gone")
    document = parsed(covjson.grid_coverage(header, slices))
    for field in header.fields:
        assert not read(document, field.name)[1][1].any()
    assert document["prismcube:status"] == ["ok", {"status": "failed", "message": "the disk is gone"}]


def test_the_series_of_a_pixel_has_a_value_a_time_for_each_field(make_cube, formats):
    header, slices = make_cube(formats, shape=(1, 1), steps=9)
    series = Series(
        crs="OGC:CRS84",
        x=np.array([8.5]),
        y=np.array([45.25]),
        fields=header.fields,
        steps=header.steps,
        data=tuple(np.stack([one.data[i][0] for one in slices]) for i in range(len(formats))),
        valid=tuple(np.stack([one.valid[i][0] for one in slices]) for i in range(len(formats))),
        ends=tuple((one.status, one.message) for one in slices),
    )
    document = parsed(covjson.point_series(series))
    assert document["domain"]["domainType"] == "PointSeries"
    assert document["domain"]["axes"]["x"] == {"values": [8.5]}
    assert document["domain"]["axes"]["y"] == {"values": [45.25]}
    for position, field in enumerate(header.fields):
        values, valid = read(document, field.name)
        assert values.shape == (9,)
        expected = np.array([one.data[position][0, 0] for one in slices])
        assert np.array_equal(valid, [one.valid[position][0, 0] for one in slices])
        assert np.array_equal(values[valid].astype(field.format.dtype), expected[valid])


def test_units_and_descriptions_are_told(make_cube, formats):
    header, slices = make_cube(formats[:2])
    parameters = parsed(covjson.grid_coverage(header, slices))["parameters"]
    assert parameters["f0"]["unit"]["symbol"]["value"] == "m"
    assert "unit" not in parameters["f1"]
    assert parameters["f1"]["description"] == {"en": "field 1"}
