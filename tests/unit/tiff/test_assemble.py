"""Plans of files larger than a test can write."""

import struct

import numpy as np
import pytest

from prismcube.model.formats import DataFormat
from prismcube.model.layout import MUCOG, InterlacingPattern
from prismcube.tiff.assemble import plan_file
from prismcube.tiff.image import Image
from prismcube.tiff.pages import Page, Part
from prismcube.tiff.parse import read_layout


def page(*, size):
    """A date of 2 × 2 blocks of `size` stored bytes each and an overview of one, in a file of its own."""
    image = Image(height=512, width=512, format=DataFormat(dtype="uint16", nodata=0))
    parts = []
    for level, window in enumerate(image.levels):
        blocks = int(np.prod(image.blocks(level)))
        about = {"height": window.height, "width": window.width, "block_height": 256, "block_width": 256, "planes": 1}
        offsets, counts = np.arange(blocks, dtype=np.uint64) * size + 16, np.full(blocks, size, dtype=np.uint64)
        parts.append(Part(**about, tags=tuple(image.tags(level)), offsets=offsets, counts=counts))
    return Page(file=-1, name="a.tif", parts=tuple(parts))


@pytest.mark.parametrize(("size", "magic"), [(2**27, 42), (2**30, 43)])
def test_more_than_4_gib_is_a_bigtiff(size, magic):
    pages = [page(size=size), page(size=size)]
    plan = plan_file(pages, pattern=InterlacingPattern.parse(MUCOG))
    assert struct.unpack_from("<H", plan.head, 2) == (magic,)
    assert plan.size == len(plan.head) + 10 * size
    copies = plan.copies()
    assert [one.to for one in copies] == [len(plan.head) + number * size for number in range(10)]
    assert [pages.index(one.page) for one in copies] == [0, 1] * 5
    # Our own reader finds the blocks where the plan puts them.
    for number in (1, 2):
        layout = read_layout(lambda start, length: plan.head[start : start + length], size=plan.size, page=number)
        full, half = layout.levels
        assert full.offsets.reshape(-1).tolist() == [
            len(plan.head) + (2 * tile + number - 1) * size for tile in range(4)
        ]
        assert half.offsets.item() == len(plan.head) + (8 + number - 1) * size


def test_blocks_that_follow_each_other_are_copied_at_once():
    plan = plan_file([page(size=100)], pattern=InterlacingPattern.parse("R>Z>T>B"))
    assert [(one.begin, one.length) for one in plan.copies()] == [(16, 100), (16, 400)]
