"""`/map/tiles`: drawn by us, judged by rasterio's warper."""

import math

import numpy as np
import pytest
from affine import Affine

from prismcube.model.grid import Grid
from tests.judge import warped_file

L8 = "/collections/l8-paraguay/map/tiles/WebMercatorQuad"
S2 = "/collections/s2-romania/map/tiles/WebMercatorQuad"
WORLD = 20037508.342789244
NEAR = 0.51 + 255 / 1200
"""Half a shade, and one count of the narrowest stretch: as far as two warpers may be apart."""


def tile_at(lon, lat, z):
    """(row, col) of the tile a place lies in, by the formula of the OGC Two Dimensional Tile Matrix Set, annex D."""
    n = 2**z
    col = int((lon + 180) / 360 * n)
    row = int((1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2 * n)
    return row, col


def transform_of(z, row, col):
    size = 2 * WORLD / 2**z
    return Affine(size / 256, 0, -WORLD + col * size, 0, -size / 256, WORLD - row * size)


def expected_rgba(paraguay_files, z, row, col):
    """The later record (row 078) over the other, stretched as examples/l8-paraguay.yml says."""
    rgba = np.zeros((4, 256, 256))
    visible = np.ones((256, 256), bool)
    for channel, (band, low, high) in enumerate([("B4", 6000, 8800), ("B3", 6650, 8350), ("B2", 7400, 8600)]):
        mosaic = np.zeros((256, 256), np.uint16)
        for scene in ("077", "078"):
            grid = Grid("EPSG:3857", transform_of(z, row, col), 256, 256)
            layer = warped_file(paraguay_files[scene, band], 1, grid, "bilinear", 0)
            mosaic = np.where(layer != 0, layer, mosaic)
        rgba[channel] = ((mosaic.astype(float) - low) / (high - low) * 255).clip(0, 255)
        visible &= mosaic != 0
    rgba[3] = visible * 255
    rgba[:3, ~visible] = 0
    return rgba


@pytest.mark.parametrize("z", [8, 10, 12])
def test_a_tile_equals_the_warped_and_stretched_mosaic(demo, read_png, paraguay_files, z):
    row, col = tile_at(-54.66, -25.24, z)
    answer = demo.ok(f"{L8}/{z}/{row}/{col}")
    assert answer.headers["content-type"] == "image/png"
    rgba, expected = read_png(answer.content), expected_rgba(paraguay_files, z, row, col)
    assert expected[3].any()
    assert np.abs(rgba - expected).max() <= NEAR


def test_datetime_chooses_the_picture(demo, read_png):
    row, col = tile_at(22.1522, 45.2048, 15)
    tiles = {d: demo.ok(f"{S2}/15/{row}/{col}", datetime=d).content for d in ("2015-08-31", "2016-03-18")}
    assert len(set(tiles.values())) == 2
    assert not read_png(demo.ok(f"{S2}/15/{row}/{col}", datetime="1999").content).any()


def test_without_a_date_the_latest_lies_on_top(demo, read_png):
    row, col = tile_at(22.1522, 45.2048, 15)
    now = demo.ok(f"{S2}/15/{row}/{col}").content
    assert now == demo.ok(f"{S2}/15/{row}/{col}", datetime="2021-01-01").content


def test_a_tile_beside_the_data_is_none(demo):
    """OGC 20-057, /req/core/tc-error A: beyond the limits that the tileset tells."""
    demo.refused(f"{L8}/5/0/0", status=404)


def test_a_tile_within_the_limits_without_data_is_transparent(demo, read_png):
    """OGC 20-057, /req/core/tc-error B; in the south-western corner, beside both scenes."""
    row, col = tile_at(-54.8826, -25.4006, 14)
    rgba = read_png(demo.ok(f"{L8}/14/{row}/{col}").content)
    assert rgba.shape == (4, 256, 256)
    assert not rgba.any()


def test_a_continent_in_one_tile(demo, read_png):
    row, col = tile_at(-54.66, -25.24, 3)
    assert read_png(demo.ok(f"{L8}/3/{row}/{col}").content)[3].any()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/collections/l8-paraguay/map/tiles/Nope/0/0/0", 404),
        (f"{L8}/1/2/0", 404),
        (f"{L8}/1/0/2", 404),
        (f"{L8}/99/0/0", 404),
        (f"{L8}/x/0/0", 400),
        (f"{L8}/1/-1/0", 400),
        (f"{L8}/1/0/1.5", 400),
        (f"{L8}/1/0/{'9' * 400}", 400),
        ("/collections/atlantis/map/tiles/WebMercatorQuad/0/0/0", 404),
        (f"{L8}/0/0/0?colour=red", 400),
        (f"{L8}/0/0/0?f=gif", 400),
        (f"{L8}/0/0/0?datetime=x", 400),
    ],
)
def test_refusals(demo, path, status):
    demo.refused(path, status=status)


def test_a_tile_finer_than_the_data_shows_the_stored_pixels(demo, read_png, romania_files):
    """Level 17 has 1.2 m pixels: each 10 m pixel is drawn where it lies, in its own colour."""
    row, col = tile_at(22.1522, 45.2048, 17)
    rgba = read_png(demo.ok(f"{S2}/17/{row}/{col}", datetime="2016-03-18").content)
    path = next(p for p in romania_files if p.stem == "S2_20160318")
    red = warped_file(path, 3, Grid("EPSG:3857", transform_of(17, row, col), 256, 256), "nearest", 0)
    assert np.abs(rgba[0] - (red / 1000 * 255).clip(0, 255)).max() <= NEAR
    assert len(np.unique(red)) < 900  # 22 x 22 source pixels
