"""NetCDF-4, read back by xarray, by h5py's own eyes and by two versions of GDAL."""

import math
import shutil
import subprocess
from collections import namedtuple
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import rasterio
import xarray
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS

from prismcube.encode.netcdf import write_netcdf, write_series
from prismcube.errors import StorageFull
from prismcube.model.cube import CubeHeader, SliceStatus, Step
from prismcube.model.formats import DTYPES, DataFormat
from prismcube.model.period import format_instant
from prismcube.model.series import Series


def opened(path, **how):
    with xarray.open_dataset(path, engine="h5netcdf", **how) as dataset:
        return dataset.load()


def written(folder, cube):
    path = folder / "cube.nc"
    write_netcdf(path, *cube, title="A title")
    return path


def same(one, other):
    return one == other or (math.isnan(one) and math.isnan(other))


def test_every_field_keeps_its_type_its_values_and_its_nodata(tmp_path, make_cube, formats):
    header, slices = make_cube(formats, shape=(5, 7), steps=3)
    raw = opened(written(tmp_path, (header, slices)), mask_and_scale=False)
    for position, field in enumerate(header.fields):
        variable = raw[field.name]
        assert variable.dims == ("time", "y", "x")
        assert variable.dtype == field.format.dtype
        assert np.array_equal(variable.values, np.stack([one.data[position] for one in slices]), equal_nan=True)
        nothing = math.nan if field.format.is_floating else None
        expected = nothing if field.format.nodata is None else field.format.nodata
        fill = variable.attrs.get("_FillValue")
        assert fill is None if expected is None else same(fill, expected)
        assert fill is None or fill.dtype == variable.dtype
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


@settings(max_examples=15)
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
    raw = opened(written(tmp_path_factory.mktemp("netcdf"), (header, slices)), mask_and_scale=False)["f0"]
    assert np.array_equal(raw.values, np.stack([one.data[0] for one in slices]), equal_nan=raw.dtype.kind == "f")


def test_coordinates_times_and_crs_are_those_of_the_cube(tmp_path, make_cube, formats):
    header, slices = make_cube(formats[:2], shape=(5, 7), steps=3)
    dataset = opened(written(tmp_path, (header, slices)))
    assert np.array_equal(dataset.x, header.grid.xs())
    assert np.array_equal(dataset.y, header.grid.ys())
    assert [str(time)[:19] for time in dataset.time.values] == [
        f"{one.start:%Y-%m-%dT%H:%M:%S}" for one in header.steps
    ]
    assert dataset.time.encoding["units"] == "seconds since 1970-01-01 00:00:00"
    assert dataset.time.encoding["calendar"] == "standard"
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
    path = written(tmp_path, (header, slices))
    dataset = opened(path)
    assert dataset.f0.dims == ("time", "latitude", "longitude")
    assert dataset.latitude.attrs["units"] == "degrees_north"
    assert np.array_equal(dataset.longitude, header.grid.xs())
    with rasterio.open(f'NETCDF:"{path}":f0') as file:
        assert file.crs.to_epsg() == 4326
        assert file.transform.almost_equals(header.grid.transform, 1e-12)


def test_how_each_step_ended_is_told(tmp_path, make_cube, formats):
    ends = {1: (SliceStatus.FAILED, "the disk is gone ✗"), 2: (SliceStatus.PARTIAL, "B2 could not be read")}
    dataset = opened(written(tmp_path, make_cube(formats[:1], steps=4, ends=ends)))
    meanings = dataset.status.attrs["flag_meanings"].split()
    values = list(dataset.status.attrs["flag_values"])
    assert [meanings[values.index(one)] for one in dataset.status.values] == ["ok", "failed", "partial", "ok"]
    assert dataset.status_message.values.tolist() == ["", "the disk is gone ✗", "B2 could not be read", ""]
    assert dataset.f0.attrs["ancillary_variables"] == "status"


def test_steps_that_hold_several_instants_have_bounds_and_fractions_are_kept(tmp_path, make_cube, formats):
    header, slices = make_cube(formats[:1])
    first = datetime(2020, 1, 1, 12, 0, 0, 250_001, tzinfo=UTC)
    steps = (Step(first, first + timedelta(days=3), ("A",)), header.steps[1])
    dataset = opened(written(tmp_path, (CubeHeader(header.grid, header.fields, steps), slices)))
    assert str(dataset.time.values[0]).startswith("2020-01-01T12:00:00.250001")
    bounds = dataset[dataset.time.attrs.get("bounds") or dataset.time.encoding["bounds"]]
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


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (600, 530)])
def test_gdal_finds_pixels_place_and_crs(tmp_path, make_cube, formats, shape):
    header, slices = make_cube((formats[2], formats[6]), shape=shape)
    path = written(tmp_path, (header, slices))
    for position, field in enumerate(header.fields):
        with rasterio.open(f'NETCDF:"{path}":{field.name}') as file:
            expected = np.stack([one.data[position] for one in slices])
            assert np.array_equal(file.read(), expected, equal_nan=True)
            assert file.crs.to_epsg() == 32632
            assert file.transform == header.grid.transform
            assert same(file.nodata, field.format.nodata)
            assert file.tags(2)["NETCDF_DIM_time"] == str(int(header.steps[1].start.timestamp()))


def test_the_gdal_of_debian_and_qgis_reads_it_too(tmp_path, make_cube, formats, missing):
    if shutil.which("gdalinfo") is None:
        missing("gdalinfo is missing: install gdal-bin")
    path = written(tmp_path, make_cube(formats[:2], shape=(5, 7)))
    told = subprocess.run(["gdalinfo", f'NETCDF:"{path}":f1'], capture_output=True, text=True, check=True).stdout
    assert "Size is 7, 5" in told
    assert 'ID["EPSG",32632]]' in told
    assert "Origin = (500000.000000000000000,5000000.000000000000000)" in told
    assert "Pixel Size = (10.000000000000000,-10.000000000000000)" in told
    assert "NoData Value=-128" in told


def test_a_crs_without_a_name_in_cf_is_written_out(tmp_path, make_cube, formats):
    dataset = opened(written(tmp_path, make_cube(formats[:1], crs="ESRI:54053")))
    assert CRS(dataset.spatial_ref.attrs["crs_wkt"]) == CRS("ESRI:54053")


def test_memory_is_that_of_one_slice(tmp_path, make_cube, one_at_a_time, formats):
    path = tmp_path / "x.nc"
    write_netcdf(path, *one_at_a_time(formats[:2], steps=200, shape=(30, 40)))
    _, (expected,) = make_cube(formats[:2], shape=(30, 40), steps=1, seed=123)
    assert np.array_equal(opened(path, mask_and_scale=False).f1.values[123], expected.data[1])


def test_a_full_disk_is_told_before_writing(tmp_path, monkeypatch, make_cube, formats):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(100, 95, 5))
    with pytest.raises(StorageFull, match="temporary folder has 5"):
        write_netcdf(tmp_path / "x.nc", *make_cube(formats[:1]))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_while_writing_is_told(tmp_path, make_cube, formats, small_files):
    cube = make_cube((formats[7],), shape=(500, 500))
    with small_files(100_000), pytest.raises(StorageFull, match="could not be written"):
        write_netcdf(tmp_path / "x.nc", *cube)


@pytest.mark.parametrize("places", [1, 4])
def test_series_are_cf_time_series(tmp_path, make_cube, formats, places):
    header, slices = make_cube(formats, shape=(1, places), steps=12, ends={3: (SliceStatus.FAILED, "gone")})
    data = [np.stack([one.data[i][0] for one in slices]) for i in range(len(formats))]
    valid = [np.stack([one.valid[i][0] for one in slices]) for i in range(len(formats))]
    x, y = np.arange(places) + 8.5, np.arange(places) + 45.25
    path = tmp_path / "series.nc"
    ends = [(one.status, one.message) for one in slices]
    place = {"x": x, "y": y, "crs": "OGC:CRS84"}
    columns = {"data": tuple(data), "valid": tuple(valid), "ends": tuple(ends)}
    write_series(path, Series(fields=header.fields, steps=header.steps, **place, **columns), title="A series")
    raw, decoded = opened(path, mask_and_scale=False), opened(path)
    assert raw.attrs["featureType"] == "timeSeries"
    assert raw.attrs["title"] == "A series"
    assert raw.station.attrs["cf_role"] == "timeseries_id"
    assert np.array_equal(np.atleast_1d(raw.longitude), x)
    assert np.array_equal(np.atleast_1d(raw.latitude), y)
    assert [f"{str(time)[:19]}Z" for time in decoded.time.values] == [format_instant(one.start) for one in header.steps]
    assert raw.status_message.values[3] == "gone"
    for field, values, mask in zip(header.fields, data, valid, strict=True):
        assert raw[field.name].dims == (("time",) if places == 1 else ("time", "station"))
        assert raw[field.name].dtype == field.format.dtype
        assert np.array_equal(raw[field.name].values.reshape(values.shape)[mask], values[mask])
        if field.format.nodata is not None or field.format.is_floating:
            assert np.array_equal(decoded[field.name].notnull().values.reshape(mask.shape), mask)
        assert {"latitude", "longitude", "station"} <= set(decoded[field.name].coords)
