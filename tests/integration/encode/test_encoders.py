"""Encoders, read back by rasterio, csv and json."""

import csv
import io
import json
import math
import shutil
import subprocess
from datetime import UTC, datetime

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from prismcube.encode import covjson, table
from prismcube.encode.geotiff import Writer, check
from prismcube.errors import BudgetExceeded
from prismcube.model.cube import CubeHeader, OutputField, Slice, SliceStatus, Step, common_format
from prismcube.model.formats import DataFormat
from prismcube.model.grid import Grid
from prismcube.raster.geokeys import can_name

GRID = Grid("EPSG:32632", Affine(10, 0, 500000, 0, -10, 5000000), 3, 4)
U8 = DataFormat(dtype="uint8", nodata=0)
I16 = DataFormat(dtype="int16", nodata=-1)
F32 = DataFormat(dtype="float32", nodata=math.nan)
I32 = DataFormat(dtype="int32", nodata=-1)


def header(*formats, grid=GRID, steps=1):
    fields = tuple(OutputField(f"f{i}", one, "m") for i, one in enumerate(formats))
    days = [datetime(2020, 1, 1 + i, tzinfo=UTC) for i in range(steps)]
    return CubeHeader(grid, fields, tuple(Step(day, day, (f"R{day.day}",)) for day in days))


def a_slice(header, index=0, status=SliceStatus.OK, message=""):
    data, valid = [], []
    for number, field in enumerate(header.fields):
        values = (np.arange(12).reshape(3, 4) + 1 + number).astype(field.format.dtype)
        mask = np.ones((3, 4), bool)
        mask[0, 0] = False
        values[0, 0] = field.format.nodata or 0
        data.append(values)
        valid.append(mask)
    return Slice(index, tuple(data), tuple(valid), status, message)


def whole(writer, slices):
    """The pieces of a file, each slice in one part."""
    yield writer.head()
    for one in slices:
        yield from writer.part(one)
    yield writer.tail([one.status for one in slices])


def write(path, head, slices):
    """A GeoTIFF that knows the status of its steps."""
    writer = Writer(head, head.grid.height, tuple((one.status, one.message) for one in slices))
    path.write_bytes(b"".join(whole(writer, slices)))
    assert path.stat().st_size == writer.size


@pytest.mark.parametrize(
    ("formats", "dtype", "nodata"),
    [
        ((U8, U8), "uint8", 0),
        ((F32, F32), "float32", math.nan),
        ((U8, I16), "float32", math.nan),
        ((U8, F32), "float32", math.nan),
        ((U8, I32), "float64", math.nan),
        ((DataFormat(dtype="uint8"),), "uint8", None),
        ((U8, DataFormat(dtype="uint8", nodata=255)), "float32", math.nan),
    ],
)
def test_all_fields_of_a_file_share_a_type_that_holds_them(tmp_path, formats, dtype, nodata):
    head = header(*formats)
    one = a_slice(head)
    write(tmp_path / "x.tif", head, [one])
    with rasterio.open(tmp_path / "x.tif") as file:
        assert set(file.dtypes) == {dtype}
        assert file.nodata == nodata or (math.isnan(file.nodata) and math.isnan(nodata))
        masks = file.read_masks()
        for band, (data, valid) in enumerate(zip(one.data, one.valid, strict=True)):
            assert np.array_equal(file.read(band + 1)[valid], data[valid])
            if nodata is not None:
                assert np.array_equal(masks[band] == 255, valid)
        assert file.transform == GRID.transform


def test_bands_are_described_and_tagged(tmp_path):
    head = header(U8, U8, steps=2)
    failed = a_slice(head, 1, SliceStatus.FAILED, "the disk is gone")
    write(tmp_path / "x.tif", head, [a_slice(head), failed])
    with rasterio.open(tmp_path / "x.tif") as file:
        assert file.descriptions == (
            "2020-01-01T00:00:00Z f0", "2020-01-01T00:00:00Z f1", "2020-01-02T00:00:00Z f0", "2020-01-02T00:00:00Z f1",
        )  # fmt: skip
        assert file.tags(3) == {
            "time": "2020-01-02T00:00:00Z", "field": "f0", "status": "failed", "message": "the disk is gone",
            "unit": "m", "records": "R2",
        }  # fmt: skip


def test_the_status_stands_at_the_end_when_it_is_not_known_at_the_begin(tmp_path):
    head = header(U8, I16, steps=3)
    slices = [a_slice(head), a_slice(head, 1, SliceStatus.FAILED), a_slice(head, 2, SliceStatus.PARTIAL)]
    writer = Writer(head, head.grid.height)
    content = b"".join(whole(writer, slices))
    assert len(content) == writer.size
    assert json.loads(content.splitlines()[-1]) == {"prismcube:status": ["ok", "failed", "partial"]}
    with rasterio.MemoryFile(content) as memory, memory.open() as file:
        assert "status" not in file.tags(1)
        assert file.count == 6


PARTS = st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 3), st.integers(1, 3), st.integers(1, 40))


@given(PARTS, st.sampled_from(["uint8", "int16", "uint32", "float32", "float64"]))
def test_parts_read_back_as_the_whole(shape, dtype):
    height, width, steps, fields, rows = shape
    rows = min(rows, height)
    grid = Grid("EPSG:32632", GRID.transform, height, width)
    head = header(*[DataFormat(dtype=dtype)] * fields, grid=grid, steps=steps)
    cube = np.arange(steps * fields * height * width).reshape(steps, fields, height, width).astype(dtype)
    writer = Writer(head, rows)
    ones = np.ones((rows, width), bool)
    pieces = [writer.head()]
    for index in range(steps):
        for row in range(0, height, rows):
            part = tuple(cube[index, field, row : row + rows] for field in range(fields))
            pieces += writer.part(Slice(index, part, (ones[: len(part[0])],) * fields, row=row))
    content = b"".join([*pieces, writer.tail([SliceStatus.OK] * steps)])
    assert len(content) == writer.size
    with rasterio.MemoryFile(content) as memory, memory.open() as file:
        assert file.crs.to_epsg() == 32632
        assert file.transform == GRID.transform
        assert file.compression is None
        assert np.array_equal(file.read(), cube.reshape(-1, height, width))


def test_gdal_reads_it_from_a_pipe(tmp_path, missing):
    """As only a TIFF can be whose directory comes first and whose strips come in order."""
    if shutil.which("gdal_translate") is None:
        missing("no gdal_translate: install gdal-bin")
    head = header(U8, U8, steps=2)
    content = b"".join(whole(Writer(head, head.grid.height), [a_slice(head), a_slice(head, 1)]))
    command = ["gdal_translate", "-q", "/vsistdin/", str(tmp_path / "x.tif")]
    subprocess.run(command, input=content, check=True, capture_output=True)
    with rasterio.open(tmp_path / "x.tif") as file:
        assert file.count == 4
        assert np.array_equal(file.read(3), a_slice(head).data[0])


@pytest.mark.parametrize("crs", ["EPSG:3035", "OGC:CRS84", "EPSG:4326", "EPSG:3413", "ESRI:54009"])
def test_the_crs_is_the_one_that_gdal_writes(crs):
    grid = Grid(crs, Affine(0.1, 0, 10, 0, -0.1, 50), 3, 4)
    head = header(U8, grid=grid)
    content = b"".join(whole(Writer(head, 3), [a_slice(head)]))
    with rasterio.MemoryFile() as memory:
        with memory.open(driver="GTiff", width=4, height=3, count=1, dtype="uint8", crs=crs, transform=grid.transform):
            pass
        with memory.open() as theirs, rasterio.MemoryFile(content) as other, other.open() as ours:
            assert ours.crs == theirs.crs
            assert ours.transform == theirs.transform


@pytest.mark.parametrize(("crs", "able"), [("EPSG:3035", True), ("OGC:CRS84", True), ("ESRI:54053", False)])
def test_some_crs_have_no_place_in_a_geotiff(crs, able):
    assert can_name(crs) is able


def test_more_bands_than_tiff_holds_are_refused():
    step = Step(datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC), ())
    head = CubeHeader(GRID, header(U8).fields, (step,) * 65536)
    with pytest.raises(BudgetExceeded, match="bands of a GeoTIFF"):
        check(head)


@given(hnp.arrays(np.float32, (2, 3, 4), elements=st.floats(width=32)), hnp.arrays(bool, (2, 3, 4)))
def test_coveragejson_keeps_every_number_and_writes_null_for_the_rest(data, valid):
    head = header(F32, steps=2)
    valid = valid & np.isfinite(data)
    document = json.loads(
        covjson.grid_coverage(head, [Slice(i, (data[i],), (valid[i],)) for i in range(2)]), parse_constant=pytest.fail
    )
    found = document["ranges"]["f0"]
    assert found["shape"] == [2, 3, 4]
    for value, expected, good in zip(found["values"], data.ravel(), valid.ravel(), strict=True):
        assert (np.float32(value) == expected) if good else value is None


def test_coveragejson_names_the_crs_or_writes_it_out():
    sinusoidal = "+proj=sinu +R=6371007.181 +units=m"
    for crs, key in (("EPSG:32632", "id"), ("EPSG:4326", "id"), (sinusoidal, "wkt")):
        grid = Grid(crs, GRID.transform, 3, 4)
        head = header(U8, grid=grid)
        system = json.loads(covjson.grid_coverage(head, [a_slice(head)]))["domain"]["referencing"][0]["system"]
        assert key in system


@pytest.mark.parametrize(
    ("crs", "order"),
    [("EPSG:32632", "xy"), ("OGC:CRS84", "xy"), ("EPSG:4326", "yx"), ("EPSG:3035", "yx"), ("EPSG:31700", "yx")],
)
def test_coveragejson_lists_coordinates_in_the_order_of_the_crs(crs, order):
    """The standard on reference system connections: identifiers "MUST match the order of axes"."""
    head = header(U8, grid=Grid(crs, Affine(0.1, 0, 10, 0, -0.1, 50), 3, 4))
    referencing = json.loads(covjson.grid_coverage(head, [a_slice(head)]))["domain"]["referencing"]
    assert referencing[0]["coordinates"] == list(order)
    assert referencing[1]["coordinates"] == ["t"]


@given(hnp.arrays(np.float32, 20, elements=st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_csv_numbers_read_back_as_themselves(values):
    texts = table.cells(values, np.ones(20, bool))
    assert np.array_equal(np.array(texts, dtype=np.float32), values)


def test_csv_of_a_cube_has_a_line_a_valid_pixel():
    head = header(U8, F32)
    lines = list(csv.DictReader(io.StringIO(table.cube_csv(head, [a_slice(head)]).decode(), newline="")))
    assert len(lines) == 11
    assert lines[0] == {"time": "2020-01-01T00:00:00Z", "x": "500015.0", "y": "4999995.0", "f0": "2", "f1": "3.0"}


def test_the_common_format_of_one_field_is_its_own():
    assert common_format(header(I16).fields) == I16
