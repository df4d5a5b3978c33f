"""Golden rasters that other servers made, over HTTP, with the fast engine and with GDAL in its place; maps and tiles of
real images likewise.
"""

import numpy as np
import pytest
import rasterio
from affine import Affine

from prismcube.model.formats import DataFormat, ValueMapping, cast
from prismcube.model.grid import Grid
from tests.judge import warped_file

WORLD = 20037508.342789244
RED = ("B4", 6000, 8800)
NEAR = 0.51 + 255 / 1200
"""Half a shade, and one count of the narrowest stretch: as far as two warpers may be apart."""

pytestmark = pytest.mark.usefixtures("fast")


def box_of(transform, width, height):
    west, north = transform @ (0, 0)
    east, south = transform @ (width, height)
    return ",".join(map(repr, (west, south, east, north)))


@pytest.mark.parametrize("number", range(3))
def test_merges_of_the_original_geocube(server, golden_folder, golden, number):
    merge = golden["merges"][number]
    width, height = merge["size"]
    group = ",".join(name.replace("image_", "") for name in merge["inputs"])
    with rasterio.open(golden_folder / f"{merge['expected']}.tif") as file:
        wanted, box = file.read(1), box_of(file.transform, width, height)
    asked = {"bbox": box, "bbox_crs": "EPSG:32632", "width": width, "height": height}
    answer = server.tiff("/collections/merges/coverage", group=group, **asked)
    assert np.array_equal(answer.data[0], wanted)
    assert len(golden["merges"]) == 3


FORMATS = {"nan": float("nan"), "nan (none)": None}
LOST = [("image_cast0", "image_cast3")]
"""The original turned valid pixels beyond the range into nodata (the README of the data tells it)."""


def test_casts_of_the_original_geocube(server, golden_folder, golden):
    """Real numbers of each stored encoding, put into another."""
    assert len(golden["casts"]) == 9
    for source, target in golden["casts"]:
        answer = server.tiff("/collections/casts/coverage", properties=source.replace("image_cast", "c"))
        real = answer.data[0]
        one = golden["mappings"][target]
        mapping = ValueMapping(
            imin=one["min"], imax=one["max"], emin=one["ext_min"], emax=one["ext_max"], exponent=one["exponent"]
        )
        format = DataFormat(dtype=one["dtype"], nodata=FORMATS.get(one["nodata"], one["nodata"]))
        valid = np.isfinite(real)
        made = cast(mapping.internal(real), valid, format)
        with rasterio.open(golden_folder / f"{target}.tif") as file:
            wanted = file.read(1)
        if format.nodata is None:  # empty pixels mean nothing: the original keeps the source's nodata there
            made, wanted = made[valid], wanted[valid]
        if (source, target) in LOST:
            kept = wanted != format.nodata
            assert np.count_nonzero(valid & ~kept) == 11_705
            made, wanted = made[kept], wanted[kept]
        assert np.array_equal(made, wanted, equal_nan=made.dtype.kind == "f"), (source, target)


def test_the_mosaic_of_eoxserver(server, shared_data):
    """Three dates of MERIS, the later on top, no value where all bands are 0."""
    with rasterio.open(shared_data / "eox-autotest/expected/WCS20GetCoverageMosaicTestCase.tif") as file:
        wanted, box = file.read(), box_of(file.transform, file.width, file.height)
        size = {"width": file.width, "height": file.height}
    answer = server.tiff("/collections/meris/coverage", group="all", bbox=box, bbox_crs="OGC:CRS84", **size)
    assert np.array_equal(answer.data, wanted)


def shade(red):
    _, low, high = RED
    return ((red.astype(float) - low) / (high - low) * 255).clip(0, 255)


def test_a_map_shows_the_stored_pixels(server, read_png, paraguay_files):
    path = paraguay_files["077", "B4"]
    with rasterio.open(path) as file:
        pixels, box = file.read(1)[:200, :300], box_of(file.transform, 300, 200)
        asked = {"bbox": box, "bbox_crs": file.crs.to_string(), "crs": file.crs.to_string()}
    rgba = read_png(server.ok("/collections/l8-paraguay/map", width=300, height=200, **asked).content)
    assert rgba[3].all()
    assert np.abs(rgba[0] - shade(pixels)).max() <= 0.51


def test_a_tile_shows_what_gdal_warps(server, read_png, paraguay_files):
    zoom, row, col = 12, 2346, 1424
    size = 2 * WORLD / 2**zoom
    transform = Affine(size / 256, 0, -WORLD + col * size, 0, -size / 256, WORLD - row * size)
    grid = Grid("EPSG:3857", transform, 256, 256)
    mosaic = np.zeros(grid.shape, np.uint16)
    for scene in ("077", "078"):
        layer = warped_file(paraguay_files[scene, "B4"], 1, grid, "bilinear", 0)
        mosaic = np.where(layer != 0, layer, mosaic)
    path = f"/collections/l8-paraguay/map/tiles/WebMercatorQuad/{zoom}/{row}/{col}"
    rgba = read_png(server.ok(path).content)
    assert (mosaic != 0).mean() > 0.4
    assert np.array_equal(rgba[3] != 0, mosaic != 0)
    assert np.abs(rgba[0] - shade(mosaic))[mosaic != 0].max() <= NEAR
