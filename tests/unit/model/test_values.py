"""Value mappings and casts: what is stored is what is meant, and valid stays valid."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from prismcube.errors import InvalidInput
from prismcube.model.formats import DTYPES, DataFormat, ValueMapping, cast

NUMBERS = st.floats(-1e6, 1e6)


@st.composite
def mappings(draw: st.DrawFn) -> ValueMapping:
    imin, emin = draw(NUMBERS), draw(NUMBERS)
    return ValueMapping(
        imin=imin,
        imax=imin + draw(st.floats(1e-3, 1e6)),
        emin=emin,
        emax=emin + draw(st.floats(1e-3, 1e6)),
        exponent=draw(st.sampled_from([1.0, 2.0, 0.5, 1.7])),
    )


@st.composite
def formats(draw: st.DrawFn) -> DataFormat:
    dtype = draw(st.sampled_from(DTYPES))
    if dtype.startswith("float"):
        return DataFormat(dtype=dtype, nodata=draw(st.none() | st.just(math.nan) | st.sampled_from([0.0, -9999.0])))
    info = np.iinfo(dtype)
    near = st.sampled_from([info.min, info.min + 1, 0, 1, info.max - 1, info.max])
    return DataFormat(dtype=dtype, nodata=draw(st.none() | near))


@given(mapping=mappings(), position=st.lists(st.floats(-1, 2), min_size=1, max_size=8))
def test_internal_undoes_external(mapping: ValueMapping, position: list[float]) -> None:
    stored = mapping.imin + (mapping.imax - mapping.imin) * np.array(position)
    back = mapping.internal(mapping.external(stored))
    scale = max(abs(mapping.imin), abs(mapping.imax)) + max(abs(mapping.emin), abs(mapping.emax)) * (
        mapping.imax - mapping.imin
    ) / (mapping.emax - mapping.emin)
    # Near imin a power is so flat that the last bits of a value say little about where it came from.
    tolerance = 1e-9 * scale if mapping.exponent <= 1 else 1e-4 * scale
    assert np.allclose(back, stored, rtol=0, atol=tolerance)


@given(mapping=mappings())
def test_ends_map_to_ends(mapping: ValueMapping) -> None:
    ends = mapping.external(np.array([mapping.imin, mapping.imax]))
    assert np.allclose(ends, [mapping.emin, mapping.emax], rtol=1e-12, atol=1e-6)


@given(mapping=mappings(), values=st.lists(NUMBERS, min_size=2, max_size=8))
def test_external_never_turns_the_order_round(mapping: ValueMapping, values: list[float]) -> None:
    mapped = mapping.external(np.array(sorted(values)))
    assert (np.diff(mapped) >= 0).all()


@given(to=formats(), values=hnp.arrays(np.float64, 12, elements=st.floats(-1e12, 1e12)), valid=hnp.arrays(bool, 12))
def test_valid_stays_valid_and_empty_stays_empty(to: DataFormat, values: Any, valid: Any) -> None:
    result = cast(values, valid, to)
    assert result.dtype == to.dtype
    assert to.valid(result)[valid].all()
    if to.nodata is not None or to.is_floating:
        assert not to.valid(result)[~valid].any()


@given(to=formats(), values=hnp.arrays(np.float64, 12, elements=st.floats(-1e12, 1e12)))
def test_cast_is_the_nearest_count_within_the_type(to: DataFormat, values: Any) -> None:
    result = cast(values, np.ones(12, dtype=bool), to).astype(np.float64)
    if to.is_floating:
        assert np.allclose(result, values, rtol=1e-6, atol=1e-6)
        return
    info = np.iinfo(to.dtype)
    off = np.abs(result - np.clip(values, info.min, info.max))
    is_nodata = to.nodata is not None and np.abs(np.clip(values, info.min, info.max) - to.nodata) <= 0.5
    assert (off <= np.where(is_nodata, 1.5, 0.5)).all()


@given(to=formats(), dtype=st.sampled_from(DTYPES), data=st.data())
def test_cast_from_any_type(to: DataFormat, dtype: str, data: st.DataObject) -> None:
    if dtype.startswith("float"):
        elements: Any = st.floats(-1e6, 1e6, width=32)
    else:
        elements = hnp.from_dtype(np.dtype(dtype))
    values = data.draw(hnp.arrays(dtype, 6, elements=elements))
    kept = values.copy()
    result = cast(values, np.ones(6, dtype=bool), to)
    assert to.valid(result).all()
    assert (values == kept).all()  # the caller's array is left alone


@pytest.mark.parametrize(
    ("value", "expected", "why"),
    [
        (0.5, 1, "halves go away from zero"),
        (-0.5, -1, "on both sides"),
        (2.4999, 2, "nearest"),
        (40000.0, 32767, "clamped above"),
        (-40000.0, -32768, "clamped below"),
        (7.0, 8, "equal to nodata: upwards"),
        (6.9, 6, "becomes nodata from below: downwards"),
        (7.1, 8, "becomes nodata from above: upwards"),
    ],
)
def test_rounding(value: float, expected: int, why: str) -> None:
    assert cast(np.array([value]), np.array([True]), DataFormat(dtype="int16", nodata=7))[0] == expected, why


def test_empty_pixels_without_nodata_are_zero_or_nan() -> None:
    nothing = np.array([np.nan]), np.array([False])
    assert cast(*nothing, DataFormat(dtype="uint8"))[0] == 0
    assert np.isnan(cast(*nothing, DataFormat(dtype="float32"))[0])


@pytest.mark.parametrize(
    ("arguments", "parameter"),
    [
        ({"dtype": "complex64"}, "dtype"),
        ({"dtype": "uint8", "nodata": 256}, "nodata"),
        ({"dtype": "uint8", "nodata": 0.5}, "nodata"),
        ({"dtype": "uint8", "nodata": math.inf}, "nodata"),
        ({"dtype": "uint8", "minimum": 1, "maximum": 1}, "minimum"),
    ],
)
def test_formats_that_make_no_sense(arguments: dict[str, Any], parameter: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        DataFormat(**arguments)
    assert caught.value.parameter == parameter


def test_nan_on_an_integer_type_means_none() -> None:
    assert DataFormat(dtype="uint8", nodata=math.nan).nodata is None


@pytest.mark.parametrize("arguments", [{"imin": 1}, {"emax": 0}, {"exponent": 0}, {"exponent": math.inf}])
def test_mappings_that_make_no_sense(arguments: dict[str, float]) -> None:
    with pytest.raises(InvalidInput):
        ValueMapping(**arguments)


def test_floats_beyond_an_integer_type_are_clamped_to_it():
    """2**31 is a float32, the largest int32 is not."""
    huge = np.array([3e9, -3e9, 2.0**31, 1e30], dtype=np.float32)
    valid = np.ones(4, dtype=bool)
    top = 2**31 - 1
    assert cast(huge, valid, DataFormat(dtype="int32")).tolist() == [top, -(2**31), top, top]
    assert cast(huge * 4, valid, DataFormat(dtype="uint32")).tolist() == [2**32 - 1, 0, 2**32 - 1, 2**32 - 1]


@pytest.mark.parametrize("limit", ["imin", "imax", "emin", "emax"])
@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_limits_of_a_mapping_are_finite(limit, value):
    with pytest.raises(InvalidInput):
        ValueMapping(**{limit: value})
