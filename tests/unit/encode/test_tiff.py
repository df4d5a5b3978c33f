"""The layout of an uncompressed TIFF."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from prismcube.encode.tiff import Layout
from prismcube.tiff.fields import long, text

LAYOUTS = st.builds(
    lambda width, height, slices, fields, itemsize, rows, tail: Layout(
        width=width, height=height, slices=slices, fields=fields, itemsize=itemsize, rows=min(rows, height), tail=tail
    ),
    st.integers(1, 400_000),
    st.integers(1, 70),
    st.integers(1, 4),
    st.integers(1, 4),
    st.sampled_from([1, 2, 4, 8]),
    st.integers(1, 70),
    st.integers(0, 50),
)


@given(LAYOUTS)
def test_strips_cover_every_byte_once(layout):
    offsets, sizes = layout.strips()
    order = np.argsort(offsets)
    ends = (offsets + sizes)[order]
    assert offsets[order][0] == 0
    assert (offsets[order][1:] == ends[:-1]).all()
    assert ends[-1] == layout.pixel_bytes


@given(LAYOUTS)
def test_strips_lie_in_the_order_in_which_parts_are_written(layout):
    """Slices outermost, then parts, then fields: computed here one by one."""
    offsets, _ = layout.strips()
    strips = -(-layout.height // layout.rows_per_strip)
    at = 0
    for one in range(layout.slices):
        for row in range(0, layout.height, layout.rows):
            rows = min(layout.rows, layout.height - row)
            for field in range(layout.fields):
                band = one * layout.fields + field
                assert offsets[band * strips + row // layout.rows_per_strip] == at
                at += rows * layout.width * layout.itemsize


@given(LAYOUTS)
def test_parts_are_made_of_whole_strips(layout):
    assert layout.rows % layout.rows_per_strip == 0


def test_offsets_beyond_4_gib_make_it_a_bigtiff():
    small = Layout(width=1000, height=1000, slices=1, fields=1, itemsize=1, rows=1000)
    large = Layout(width=40_000, height=40_000, slices=2, fields=1, itemsize=2, rows=100)
    assert small.head([text(42113, "0")])[:4] == b"II*\0"
    assert large.head([long(254, 0)])[:4] == b"II+\0"
