"""Cubes in parts."""

from hypothesis import given
from hypothesis import strategies as st

from prismcube.cube.parts import BLOCK_ROWS, PIXELS, rows_of
from prismcube.model.cube import OutputField, SliceStatus, together
from prismcube.model.formats import DataFormat

OK, EMPTY, PARTIAL, FAILED = SliceStatus.OK, SliceStatus.EMPTY, SliceStatus.PARTIAL, SliceStatus.FAILED


class Plan:
    """As much of a plan as the number of rows depends on."""

    def __init__(self, height, width, working):
        self.slice_bytes = working * height * width
        self.fields = [OutputField("v", DataFormat(dtype="uint16"), "", "", "nearest")]
        self.grid = type("Grid", (), {"shape": (height, width), "height": height, "width": width})


@given(st.integers(1, 10**5), st.integers(1, 10**5), st.integers(1, 200), st.integers(1, 2**32))
def test_a_part_fits_into_memory_or_is_a_single_row(height, width, working, allowed):
    rows = rows_of(Plan(height, width, working), working_bytes=allowed)
    assert 1 <= rows <= height
    assert rows == 1 or (rows * width <= PIXELS and rows * width * working <= allowed)
    assert rows == height or rows < BLOCK_ROWS or rows % BLOCK_ROWS == 0


def test_a_slice_that_fits_is_one_part():
    assert rows_of(Plan(2000, 2000, 20), working_bytes=2**28) == 2000


def test_how_parts_ended_is_how_their_slice_did():
    for ends, expected in [
        ([OK, EMPTY], OK), ([EMPTY, EMPTY], EMPTY), ([OK, FAILED], PARTIAL), ([FAILED, FAILED], FAILED),
        ([PARTIAL, OK], PARTIAL), ([FAILED, EMPTY], PARTIAL),
    ]:  # fmt: skip
        assert together([(one, "") for one in ends])[0] is expected
    assert together([(FAILED, "a.tif"), (FAILED, "a.tif"), (FAILED, "b.tif")])[1] == "a.tif; b.tif"
