"""Zarr, read back by xarray, by zarr itself and by GDAL."""

import json
import math
import shutil
import zipfile
from collections import namedtuple
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import rasterio
import xarray
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS
from zarr.storage import ZipStore

from prismcube.encode.zarr import check, write_zarr
from prismcube.errors import BudgetExceeded, StorageFull
from prismcube.model.cube import CubeHeader, SliceStatus, Step
from prismcube.model.formats import DTYPES, DataFormat
from prismcube.model.grid import Grid


def opened(path, **how):
    with ZipStore(path, mode="r") as store, xarray.open_zarr(store, chunks=None, **how) as dataset:
        return dataset.load()


def written(folder, cube):
    path = folder / "cube.zarr.zip"
    path.unlink(missing_ok=True)
    write_zarr(path, *cube, title="A title")
    return path


def test_every_field_keeps_its_type_its_values_and_its_nodata(tmp_path, make_cube, formats):
    header, slices = make_cube(formats, shape=(5, 7), steps=3)
    raw = opened(written(tmp_path, (header, slices)), mask_and_scale=False)
    for position, field in enumerate(header.fields):
        variable = raw[field.name]
        assert variable.dims == ("time", "y", "x")
        assert variable.dtype == field.format.dtype
        assert np.array_equal(variable.values, np.stack([one.data[position] for one in slices]), equal_nan=True)
        fill = variable.attrs.get("_FillValue")
        if field.format.nodata is not None:
            assert fill == field.format.nodata or (math.isnan(fill) and math.isnan(field.format.nodata))
        else:
            assert fill is None or math.isnan(fill)
        assert variable.attrs["long_name"] == field.description
        assert variable.attrs.get("units", "") == field.unit


def test_xarray_masks_what_is_not_valid(tmp_path, make_cube, formats):
    header, slices = make_cube(formats, shape=(5, 7))
    masked = opened(written(tmp_path, (header, slices)))
    for position, field in enumerate(header.fields):
        if field.format.nodata is None and not field.format.is_floating:
            continue  # nothing stands for "no value" in such a field
        valid = np.stack([one.valid[position] for one in slices])
        assert np.array_equal(masked[field.name].notnull().values, valid), field


@settings(max_examples=40)
@given(
    dtype=st.sampled_from(DTYPES),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    steps=st.integers(1, 4),
    seed=st.integers(0, 2**32),
    data=st.data(),
)
def test_any_type_nodata_and_shape(tmp_path_factory, make_cube, dtype, shape, steps, seed, data):
    if dtype.startswith("float"):
        nodata = data.draw(st.one_of(st.none(), st.just(math.nan), st.floats(width=32)))
    else:
        limits = np.iinfo(dtype)
        nodata = data.draw(st.one_of(st.none(), st.integers(int(limits.min), int(limits.max)).map(float)))
    header, slices = make_cube((DataFormat(dtype=dtype, nodata=nodata),), shape=shape, steps=steps, seed=seed)
    path = written(tmp_path_factory.mktemp("zarr"), (header, slices))
    raw = opened(path, mask_and_scale=False)["f0"]
    assert np.array_equal(raw.values, np.stack([one.data[0] for one in slices]), equal_nan=raw.dtype.kind == "f")


def test_coordinates_times_and_crs_are_those_of_the_cube(tmp_path, make_cube, formats):
    header, slices = make_cube(formats[:2], shape=(5, 7), steps=3)
    dataset = opened(written(tmp_path, (header, slices)))
    assert np.array_equal(dataset.x, header.grid.xs())
    assert np.array_equal(dataset.y, header.grid.ys())
    assert [str(time)[:19] for time in dataset.time.values] == [
        f"{step.start:%Y-%m-%dT%H:%M:%S}" for step in header.steps
    ]
    assert CRS.from_cf(dataset.spatial_ref.attrs) == CRS("EPSG:32632")
    assert dataset.x.attrs == {
        "axis": "X", "long_name": "Easting", "standard_name": "projection_x_coordinate", "units": "metre",
    }  # fmt: skip
    assert dataset.f0.attrs["grid_mapping"] == "spatial_ref"
    assert dataset.records.values.tolist() == ["A0,B0 é", "A1,B1 é", "A2,B2 é"]
    assert dataset.attrs["Conventions"] == "CF-1.10"
    assert dataset.attrs["title"] == "A title"


def test_axes_in_degrees_are_latitude_and_longitude(tmp_path, make_cube, formats):
    header, slices = make_cube(formats[:1], crs="EPSG:4326", pixel=0.1)
    dataset = opened(written(tmp_path, (header, slices)))
    assert dataset.f0.dims == ("time", "latitude", "longitude")
    assert dataset.latitude.attrs["units"] == "degrees_north"
    assert dataset.longitude.attrs["standard_name"] == "longitude"
    assert np.array_equal(dataset.longitude, header.grid.xs())
    assert np.array_equal(dataset.latitude, header.grid.ys())


def test_how_each_step_ended_is_told(tmp_path, make_cube, formats):
    ends = {1: (SliceStatus.FAILED, "the disk is gone ✗"), 2: (SliceStatus.PARTIAL, "B2 could not be read")}
    header, slices = make_cube(formats[:1], steps=4, ends=ends)
    dataset = opened(written(tmp_path, (header, slices)))
    meanings = dataset.status.attrs["flag_meanings"].split()
    values = dataset.status.attrs["flag_values"]
    told = [meanings[values.index(one)] for one in dataset.status.values]
    assert told == ["ok", "failed", "partial", "ok"]
    assert dataset.status_message.values.tolist() == ["", "the disk is gone ✗", "B2 could not be read", ""]
    assert dataset.f0.attrs["ancillary_variables"] == "status"


def test_steps_that_hold_several_instants_have_bounds_and_fractions_are_kept(tmp_path, make_cube, formats):
    header, slices = make_cube(formats[:1])
    first = datetime(2020, 1, 1, 12, 0, 0, 250_001, tzinfo=UTC)
    steps = (Step(first, first + timedelta(days=3), ("A",)), header.steps[1])
    dataset = opened(written(tmp_path, (CubeHeader(header.grid, header.fields, steps), slices)))
    assert str(dataset.time.values[0]).startswith("2020-01-01T12:00:00.250001")
    bounds = dataset[dataset.time.attrs["bounds"]]
    assert str(bounds.values[0, 1]).startswith("2020-01-04T12:00:00.250001")
    assert bounds.values[1, 0] == bounds.values[1, 1] == dataset.time.values[1]


def test_fields_may_have_the_names_of_coordinates(tmp_path, make_cube, formats):
    names = ("status", "time", "x", "spatial_ref")
    header, slices = make_cube((formats[0], formats[2], formats[3], formats[6]), names=names)
    dataset = opened(written(tmp_path, (header, slices)), mask_and_scale=False)
    for position, name in enumerate(names):
        expected = np.stack([one.data[position] for one in slices])
        assert np.array_equal(dataset[name].values, expected, equal_nan=True)
        assert dataset[name].dims == ("time_", "y", "x_")
    assert np.array_equal(dataset["x_"], header.grid.xs())


@pytest.mark.parametrize("shape", [(2, 2), (1100, 1030)])
def test_gdal_finds_pixels_place_and_crs(tmp_path, make_cube, formats, shape):
    header, slices = make_cube((formats[2], formats[6]), shape=shape)
    path = written(tmp_path, (header, slices))
    for position, field in enumerate(header.fields):
        for one in slices:
            with rasterio.open(f'ZARR:"/vsizip/{path}":/{field.name}:{one.index}') as file:
                assert np.array_equal(file.read(1), one.data[position], equal_nan=True)
                assert file.crs.to_epsg() == 32632
                assert file.transform == header.grid.transform
                assert file.nodata == field.format.nodata or math.isnan(file.nodata)


def test_metadata_are_in_one_member_and_no_member_is_there_twice(tmp_path, make_cube, formats):
    path = written(tmp_path, make_cube(formats[:3], shape=(1100, 1030)))
    with zipfile.ZipFile(path) as file:
        names = file.namelist()
        metadata = json.loads(file.read(".zmetadata"))["metadata"]
        assert len(names) == len(set(names))
        assert all(json.loads(file.read(name)) == document for name, document in metadata.items())
        assert {name for name in names if name.endswith((".zarray", ".zattrs", ".zgroup"))} == set(metadata)
    with ZipStore(path, mode="r") as store:
        assert zarr.open_consolidated(store, mode="r")["f0"].chunks == (1, 1024, 1024)


def test_memory_is_that_of_one_slice(tmp_path, make_cube, one_at_a_time, formats):
    path = tmp_path / "x.zarr.zip"
    write_zarr(path, *one_at_a_time(formats[:2], steps=200, shape=(30, 40)))
    _, (expected,) = make_cube(formats[:2], shape=(30, 40), steps=1, seed=123)
    assert np.array_equal(opened(path, mask_and_scale=False).f1.values[123], expected.data[1])


def test_more_chunks_than_a_zip_file_should_hold_are_refused(make_cube, formats):
    header, _ = make_cube(formats[:1])
    grid = Grid(header.grid.crs, header.grid.transform, 60_000, 60_000)
    with pytest.raises(BudgetExceeded, match="chunks of a Zarr"):
        check(CubeHeader(grid, header.fields, header.steps * 50))


def test_a_full_disk_is_told_before_writing(tmp_path, monkeypatch, make_cube, formats):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(100, 95, 5))
    with pytest.raises(StorageFull, match="temporary folder has 5"):
        write_zarr(tmp_path / "x.zip", *make_cube(formats[:1]))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_while_writing_is_told(tmp_path, make_cube, formats, small_files):
    cube = make_cube((formats[7],), shape=(500, 500))
    with small_files(100_000), pytest.raises(StorageFull, match="could not be written"):
        write_zarr(tmp_path / "x.zip", *cube)
