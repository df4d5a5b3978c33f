"""What is written is read by our own parser and decoder, without GDAL."""

import numpy as np
import pytest
import rasterio

from prismcube.model.formats import DTYPES
from prismcube.tiff.cog import writing_cog
from prismcube.tiff.current import current_header, current_headers
from prismcube.tiff.decode import decode_block
from prismcube.tiff.mucog import write_mucog
from prismcube.tiff.packed import pack
from prismcube.tiff.parse import read_layout


def decoded(content, layout):
    """Pixels (bands, height, width) of full resolution."""
    level = layout.levels[0]
    out = np.full(
        (level.bands, level.blocks[0] * level.block_height, level.blocks[1] * level.block_width), layout.fill()
    )
    for plane, row, col in np.ndindex(level.offsets.shape):
        begin, count = int(level.offsets[plane, row, col]), int(level.counts[plane, row, col])
        if count:
            block = decode_block(level, content[begin : begin + count], block_row=row)
            y, x = row * level.block_height, col * level.block_width
            out[plane, y : y + level.block_height, x : x + level.block_width] = block[..., 0]
    return out[:, : level.height, : level.width]


@pytest.mark.parametrize("codec", ["none", "deflate", "zstd"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_cogs(tmp_path, picture, image_of, dtype, codec):
    pixels = picture((2, 150, 131), dtype, empty=[(0, 0, 64, 64)])
    image = image_of(pixels, codec=codec, scale=0.5, offset=2)
    with writing_cog(tmp_path / "cog.tif", image) as draft:
        for band in (1, 2):
            draft.write(pixels[band - 1], band=band)
    content = (tmp_path / "cog.tif").read_bytes()
    layout = read_layout(lambda start, length: content[start : start + length], size=len(content))
    assert (layout.nodata, layout.scale, layout.offset) == (0, 0.5, 2)
    assert [level.shape for level in layout.levels] == [(150, 131), (75, 66), (38, 33)]
    np.testing.assert_array_equal(decoded(content, layout), pixels)


def test_mucogs(tmp_path, picture, draft_of):
    pixels = [picture((2, 150, 131), seed=seed) for seed in range(3)]
    write_mucog(tmp_path / "all.tif", [draft_of(one, f"d{index}") for index, one in enumerate(pixels)])
    content = (tmp_path / "all.tif").read_bytes()
    for page, one in enumerate(pixels, start=1):
        layout = read_layout(lambda start, length: content[start : start + length], size=len(content), page=page)
        assert len(layout.levels) == 3
        np.testing.assert_array_equal(decoded(content, layout), one)


def test_all_pages_at_once_are_each_page_by_itself(draft_of, picture, tmp_path):
    path = tmp_path / "dates.tif"
    drafts = [draft_of(picture((2, 150, 200), seed=seed), f"d{seed}") for seed in range(5)]
    write_mucog(path, drafts)
    headers = current_headers(path.as_uri())
    assert len(headers) == 5
    for number, one in enumerate(headers, start=1):
        alone = current_header(path.as_uri(), f"GTIFF_DIR:{number}")
        assert one.etag == alone.etag
        assert pack(one.layout) == pack(alone.layout)


def test_a_page_that_is_not_understood_leaves_the_others(tmp_path):
    path = tmp_path / "pages.tif"
    profile = {"driver": "GTiff", "width": 32, "height": 32, "count": 1, "dtype": "uint8", "compress": "lerc"}
    with rasterio.open(path, "w", transform=rasterio.Affine(1, 0, 0, 0, -1, 9), crs="EPSG:32632", **profile) as file:
        file.write(np.ones((1, 32, 32), dtype="uint8"))
    [header] = current_headers(path.as_uri())
    assert (header.layout, header.reason) == (None, "LERC compression")
    path.write_text("no image")
    [header] = current_headers(path.as_uri())
    assert (header.layout, header.reason) == (None, "no TIFF")
