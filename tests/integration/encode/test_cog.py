"""COGs, checked by rio-cogeo and read back by rasterio; overviews against numpy."""

import math
import shutil
from collections import namedtuple

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rio_cogeo import cog_validate

from prismcube.encode.cog import check, write_cog
from prismcube.errors import BudgetExceeded, InvalidInput, StorageFull
from prismcube.model.cube import CubeHeader, OutputField, SliceStatus, common_format
from prismcube.model.formats import DTYPES, DataFormat
from prismcube.model.grid import Grid


def resampled(header, *resamplings):
    fields = tuple(
        OutputField(f.name, f.format, f.unit, f.description, how)
        for f, how in zip(header.fields, resamplings, strict=True)
    )
    return CubeHeader(header.grid, fields, header.steps)


def assert_same_pixels(path, header, slices):
    format = common_format(header.fields)
    with rasterio.open(path) as file:
        assert file.transform == header.grid.transform
        assert set(file.dtypes) == {format.dtype}
        for one in slices:
            for position in range(len(header.fields)):
                band = one.index * len(header.fields) + position + 1
                valid = one.valid[position]
                assert np.array_equal(file.read(band)[valid], one.data[position][valid])
                if format.nodata is not None:
                    assert np.array_equal(file.read_masks(band) == 255, valid)


@settings(max_examples=15)
@given(
    dtype=st.sampled_from(DTYPES),
    shape=st.sampled_from([(1, 1), (1, 20), (33, 17), (100, 100), (530, 20), (600, 700)]),
    steps=st.integers(1, 3),
    seed=st.integers(0, 2**32),
)
def test_any_type_and_shape_is_valid_and_exact(tmp_path_factory, make_cube, dtype, shape, steps, seed):
    cube = make_cube((DataFormat(dtype=dtype, nodata=5),), shape=shape, steps=steps, seed=seed)
    path = tmp_path_factory.mktemp("cog") / "x.tif"
    write_cog(path, *cube)
    assert cog_validate(path, strict=True) == (True, [], [])
    assert_same_pixels(path, *cube)
    assert [one.name for one in path.parent.iterdir()] == ["x.tif"]


@pytest.mark.parametrize(
    "formats",
    [
        (DataFormat(dtype="uint8", nodata=0), DataFormat(dtype="int16", nodata=-1)),
        (DataFormat(dtype="uint8", nodata=0), DataFormat(dtype="int32", nodata=-1)),
        (DataFormat(dtype="uint8"), DataFormat(dtype="uint8")),
    ],
)
def test_fields_of_several_types_share_one_that_holds_them(tmp_path, make_cube, formats):
    cube = make_cube(formats, shape=(40, 50))
    write_cog(tmp_path / "x.tif", *cube)
    assert_same_pixels(tmp_path / "x.tif", *cube)


def test_bands_are_described_and_tagged(tmp_path, make_cube, formats):
    header, slices = make_cube(formats[:2], ends={1: (SliceStatus.FAILED, "the disk\x0bis gone, <sorry>")})
    write_cog(tmp_path / "x.tif", header, slices, title="Forest & more")
    with rasterio.open(tmp_path / "x.tif") as file:
        assert file.descriptions[1:3] == ("2020-02-28T10:30:15Z f1", "2020-02-29T10:30:15Z f0")
        assert file.tags(3) == {
            "time": "2020-02-29T10:30:15Z", "field": "f0", "status": "failed", "message": "the disk is gone, <sorry>",
            "unit": "m", "records": "A1,B1 é",
        }  # fmt: skip
        assert file.tags()["TIFFTAG_IMAGEDESCRIPTION"] == "Forest & more"
        assert file.crs.to_epsg() == 32632
        assert file.interleaving.value == "BAND"


def test_overviews_average_measures_and_pick_classes(tmp_path, make_cube):
    """Both in one file: means of the valid pixels, and values that are there."""
    u16 = DataFormat(dtype="uint16", nodata=65535)
    header, slices = make_cube((u16, u16, u16), shape=(1200, 1100), steps=2)
    header = resampled(header, "nearest", "bilinear", "mode")
    write_cog(tmp_path / "x.tif", header, slices)
    assert cog_validate(tmp_path / "x.tif", strict=True)[0]
    with rasterio.open(tmp_path / "x.tif", overview_level=0) as overview:
        assert overview.shape == (600, 550)
        for one in slices:
            blocks = [
                np.where(valid, data, np.nan).reshape(600, 2, 550, 2).swapaxes(1, 2).reshape(600, 550, 4)
                for data, valid in zip(one.data, one.valid, strict=True)
            ]
            picked, averaged, common = (overview.read(one.index * 3 + band + 1).astype(float) for band in range(3))
            for overview_band in (picked, averaged, common):
                overview_band[overview_band == 65535] = np.nan
            assert (np.isnan(picked) | (blocks[0] == picked[..., None]).any(axis=-1)).all()
            some = ~np.isnan(blocks[1]).all(axis=-1)
            assert np.array_equal(~np.isnan(averaged), some)
            assert np.abs(averaged[some] - np.nanmean(blocks[1][some], axis=-1)).max() <= 0.5
            assert (np.isnan(common) | (blocks[2] == common[..., None]).any(axis=-1)).all()


def test_tiles_are_deflated_band_by_band(tmp_path, make_cube):
    header, slices = make_cube((DataFormat(dtype="int16", nodata=-1),) * 2, shape=(1200, 700), steps=1)
    write_cog(tmp_path / "x.tif", resampled(header, "nearest", "cubic"), slices)
    with rasterio.open(tmp_path / "x.tif") as file:
        structure = file.tags(ns="IMAGE_STRUCTURE")
        assert structure == {"COMPRESSION": "DEFLATE", "INTERLEAVE": "BAND", "PREDICTOR": "2"}
        assert (file.nodata, file.block_shapes) == (-1, [(512, 512)] * 2)
        assert file.overviews(1) == [2, 4]
        assert file.tags()["AREA_OR_POINT"] == "Area"
    write_cog(tmp_path / "small.tif", *make_cube((DataFormat(dtype="uint8"),), shape=(20, 33)))
    with rasterio.open(tmp_path / "small.tif") as file:
        assert file.block_shapes[0] == (48, 48)


def test_memory_is_that_of_one_slice(tmp_path, make_cube, one_at_a_time, formats):
    write_cog(tmp_path / "x.tif", *one_at_a_time(formats[2:3], steps=200, shape=(30, 40)))
    _, (expected,) = make_cube(formats[2:3], shape=(30, 40), steps=1, seed=123)
    with rasterio.open(tmp_path / "x.tif") as file:
        assert np.array_equal(file.read(124), expected.data[0])


def test_what_tiff_cannot_hold_is_refused_before_reading(make_cube, formats):
    header, _ = make_cube(formats[:1])
    with pytest.raises(BudgetExceeded, match="bands of a COG"):
        check(CubeHeader(header.grid, header.fields, header.steps * 40_000))
    nowhere = Grid("ESRI:54053", header.grid.transform, 3, 4)
    with pytest.raises(InvalidInput, match="crs: can't be written into a COG"):
        check(CubeHeader(nowhere, header.fields, header.steps))


def test_a_full_disk_is_told_before_writing(tmp_path, monkeypatch, make_cube, formats):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(100, 95, 5))
    with pytest.raises(StorageFull, match="temporary folder has 5"):
        write_cog(tmp_path / "x.tif", *make_cube(formats[:1]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("limit", [100_000, 3_000_000])
def test_a_disk_that_fills_while_writing_is_told(tmp_path, make_cube, small_files, limit):
    """While the pixels are written, or only when they are copied."""
    cube = make_cube((DataFormat(dtype="float64", nodata=math.nan),), shape=(600, 600), steps=1)
    with small_files(limit), pytest.raises(StorageFull, match="could not be written"):
        write_cog(tmp_path / "x.tif", *cube)
