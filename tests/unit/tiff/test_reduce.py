import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from prismcube.model.formats import DTYPES, DataFormat
from prismcube.tiff.reduce import reduce_into


def reduced(pixels, *, nodata=None, reduction="average"):
    out = np.empty([-(-side // 2) for side in pixels.shape], dtype=pixels.dtype)
    reduce_into(out, pixels, format=DataFormat(dtype=pixels.dtype.name, nodata=nodata), reduction=reduction)
    return out


def mean_of_valid(pixels, nodata):
    """The same by whole-array numpy in float64, which holds sums of four 32-bit numbers exactly."""
    odd = [(0, side % 2) for side in pixels.shape]
    valid = np.pad(DataFormat(dtype=pixels.dtype.name, nodata=nodata).valid(pixels), odd)
    values = np.where(valid, np.pad(pixels, odd).astype(np.float64), 0)
    four = [(slice(y, None, 2), slice(x, None, 2)) for y in (0, 1) for x in (0, 1)]
    count = sum(valid[one].astype(int) for one in four)
    mean = sum(values[one] for one in four) / np.maximum(count, 1)
    if pixels.dtype.kind != "f":
        mean = np.where(mean < 0, np.ceil(mean - 0.5), np.floor(mean + 0.5))
    mean = mean.astype(pixels.dtype)
    fill = nodata if nodata is not None else (np.nan if pixels.dtype.kind == "f" else 0)
    if nodata is not None and nodata == nodata:
        value = pixels.dtype.type(nodata)
        if pixels.dtype.kind == "f":
            beside = np.nextafter(value, np.inf, dtype=pixels.dtype)
        else:
            beside = int(nodata) - 1 if nodata == np.iinfo(pixels.dtype).max else int(nodata) + 1
        mean[(mean == value) & (count > 0)] = beside
    mean[count == 0] = fill
    return mean


@st.composite
def pictures(draw):
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    if dtype.kind == "f":
        nodata = draw(st.sampled_from([None, float("nan"), 0.0, -9999.0]))
        values = st.one_of(st.sampled_from([0.0, -9999.0, float("nan")]), st.floats(-(2.0**99), 2.0**99, width=32))
    else:
        limits = np.iinfo(dtype)
        nodata = draw(st.sampled_from([None, 0.0, 7.0, float(limits.min), float(limits.max)]))
        common = [max(0, limits.min), 7, limits.max, limits.min]
        values = st.one_of(st.sampled_from(common), st.integers(limits.min, limits.max), st.integers(0, 12))
    return draw(hnp.arrays(dtype, shape, elements=values)), nodata


@settings(deadline=None)
@given(pictures())
def test_the_average_is_the_mean_of_valid_pixels(given_one):
    pixels, nodata = given_one
    np.testing.assert_array_equal(reduced(pixels, nodata=nodata), mean_of_valid(pixels, nodata))


@settings(deadline=None)
@given(pictures())
def test_the_mode_is_what_most_valid_pixels_have(given_one):
    pixels, nodata = given_one
    format = DataFormat(dtype=pixels.dtype.name, nodata=nodata)
    fill = nodata if nodata is not None else (np.nan if format.is_floating else 0)
    found = reduced(pixels, nodata=nodata, reduction="mode")
    for (y, x), value in np.ndenumerate(found):
        four = pixels[2 * y : 2 * y + 2, 2 * x : 2 * x + 2]
        valid = four[format.valid(four)].tolist()  # in the order of reading
        expected = max(valid, key=valid.count) if valid else fill  # of several the first
        np.testing.assert_array_equal(value, pixels.dtype.type(expected))


@pytest.mark.parametrize(
    ("four", "mean", "why"),
    [
        ([1, 2, 1, 2], 2, "halves go away from zero"),
        ([-1, -2, -1, -2], -2, "also below zero"),
        ([-1, -1, -1, -2], -1, "quarters go to the nearest"),
        ([8, 6, 0, 0], 8, "7 is nodata, so the mean of valid pixels moves up"),
        ([7, 7, 7, 7], 7, "nothing is valid"),
        ([7, 7, 7, 5], 5, "one is valid"),
    ],
)
def test_rounding(four, mean, why):
    pixels = np.array(four, dtype=np.int16).reshape(2, 2)
    if why.startswith("7 is"):
        pixels = np.array([[8, 6], [7, 7]], dtype=np.int16)
    assert reduced(pixels, nodata=7).item() == mean, why


def test_nearest_takes_the_upper_left_pixel():
    pixels = np.arange(35, dtype=np.uint8).reshape(5, 7)
    np.testing.assert_array_equal(reduced(pixels, reduction="nearest"), pixels[::2, ::2])
