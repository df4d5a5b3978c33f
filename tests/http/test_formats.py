"""Coverages as files: xarray, GDAL and rio-cogeo on the answers, numpy on the original files."""

from datetime import datetime

import numpy as np
import pytest
import rasterio
import xarray
from pyproj import CRS
from rio_cogeo import cog_validate
from zarr.storage import ZipStore

S2 = "/collections/s2-romania/coverage"
BANDS = ("B2", "B3", "B4", "B8", "SCL")
MONTH = "2018-06"


@pytest.fixture(scope="module")
def june(romania_files):
    """The files of a month: (times, pixels of shape (time, band, y, x), transform)."""
    paths = [path for path in romania_files if path.stem.startswith("S2_201806")]
    stack = []
    for path in paths:
        with rasterio.open(path) as file:
            stack.append(file.read())
            transform = file.transform
    assert len(paths) > 1
    days = [path.stem.removeprefix("S2_") for path in paths]
    return [datetime.fromisoformat(day) for day in days], np.stack(stack), transform


@pytest.fixture(scope="module", params=["netcdf", "zarr"])
def opened(request, demo, tmp_path_factory):
    """Asks a coverage in the format and opens the answer with xarray; values as they are stored."""
    folder = tmp_path_factory.mktemp("formats")

    def open_(**params):
        answer = demo.ok(S2, f=request.param, **params)
        media_type = {"netcdf": "application/netcdf", "zarr": "application/zip+zarr"}[request.param]
        assert answer.headers["content-type"] == media_type
        path = folder / ("cube.nc" if request.param == "netcdf" else "cube.zarr.zip")
        path.write_bytes(answer.content)
        how = {"mask_and_scale": False, "decode_coords": "all"}
        if request.param == "netcdf":
            with xarray.open_dataset(path, engine="h5netcdf", **how) as dataset:
                return dataset.load()
        with ZipStore(path, mode="r") as store, xarray.open_zarr(store, chunks=None, **how) as dataset:
            return dataset.load()

    return open_


def test_xarray_finds_the_pixels_of_the_files(opened, june):
    times, pixels, transform = june
    cube = opened(datetime=MONTH, properties=",".join(BANDS), mask="none")
    assert cube.B4.dims == ("time", "y", "x")
    assert cube.time.values.astype("datetime64[s]").tolist() == times
    for position, band in enumerate(BANDS):
        assert cube[band].dtype == pixels.dtype
        assert np.array_equal(cube[band].values, pixels[:, position])
    assert np.array_equal(cube.x, transform.c + (np.arange(100) + 0.5) * transform.a)
    assert np.array_equal(cube.y, transform.f + (np.arange(100) + 0.5) * transform.e)
    assert CRS.from_cf(cube.spatial_ref.attrs) == CRS("EPSG:3035")
    assert cube.records.values.tolist() == [f"S2_{time:%Y%m%d}" for time in times]
    assert (cube.status == 0).all()


def test_xarray_computes_the_ndvi_that_the_server_hands_out(opened, june):
    _, pixels, _ = june
    cube = opened(datetime=MONTH, properties="ndvi", mask="none")
    red, near = (pixels[:, BANDS.index(band)].astype(np.float64) for band in ("B4", "B8"))
    with np.errstate(invalid="ignore"):
        expected = ((near - red) / (near + red)).astype(np.float32)
    assert cube.ndvi.dtype == np.float32
    found = ~np.isnan(cube.ndvi.values)
    assert found.mean() > 0.5
    assert np.array_equal(cube.ndvi.values[found], expected[found])


def test_the_area_and_the_steps_asked_for_are_those_of_the_file(opened, june):
    _, pixels, transform = june
    west, north = transform @ (10, 20)
    east, south = transform @ (40, 60)
    cube = opened(datetime=MONTH, properties="B4", subset=f"E({west}:{east}),N({south}:{north})", mask="none")
    assert np.array_equal(cube.B4.values, pixels[:, 2, 20:60, 10:40])
    whole = opened(datetime=MONTH, properties="B4", group="all", mosaic="max", mask="none")
    assert whole.sizes["time"] == 1
    assert np.array_equal(whole.B4.values[0], pixels[:, 2].max(axis=0))
    assert whole.time.attrs.get("bounds", whole.time.encoding.get("bounds")) == "time_bounds"


def test_a_cog_is_valid_and_holds_the_pixels_of_the_files(demo, june, tmp_path):
    times, pixels, transform = june
    answer = demo.ok(S2, f="cog", datetime=MONTH, properties="B4,SCL", mask="none")
    assert answer.headers["content-type"] == "image/tiff; application=geotiff; profile=cloud-optimized"
    path = tmp_path / "cube.tif"
    path.write_bytes(answer.content)
    assert cog_validate(path, strict=True) == (True, [], [])
    with rasterio.open(path) as file:
        assert np.array_equal(file.read(), pixels[:, [2, 4]].reshape(-1, 100, 100))
        assert file.transform == transform
        assert file.crs.to_epsg() == 3035
        assert file.descriptions[2] == f"{times[1]:%Y-%m-%dT%H:%M:%SZ} B4"


def test_the_same_pixels_in_every_format(demo, opened, tmp_path):
    """With the default mask: what is masked is NaN or nodata wherever it is written."""
    cube = opened(datetime=MONTH, properties="ndvi")
    tiff = demo.tiff(S2, datetime=MONTH, properties="ndvi")
    assert np.array_equal(cube.ndvi.values, tiff.data, equal_nan=True)
    assert np.isnan(tiff.data).any()
