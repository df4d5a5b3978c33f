"""Exports of areas across the date line: the pixels that the coverage has, and that lie in the files."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from rasterio.transform import array_bounds
from rasterio.windows import from_bounds

from prismcube.consolidation import export
from prismcube.cube.gate import MemoryGate
from prismcube.errors import InvalidInput
from prismcube.model.collection import Collection, StoredField
from prismcube.model.formats import DataFormat
from processes import export_cube
from providers.ogc import coverage
from providers.ogc.answer import Context, Limits, Request

LIMITS = Limits(
    answer_bytes=2**28, working_bytes=2**28, read_bytes=2**28, pixels=10**9, slices=10, json_values=10**6, items=10,
    default_items=10, vertices=1000, counted=1000,
)  # fmt: skip
BBOX = [179, -5, -179, 5]
"""Of 20 x 4 pixels of half a degree, half of them on either side."""


@pytest.fixture
def both_sides(sqlite_bench, pixels):
    """A bench with a file of 20 x 40 pixels of half a degree on either side of the date line."""
    variable = _served(sqlite_bench)
    for seed, west in ((1, 170), (2, -180)):
        picture = pixels(40, 20, seed=seed)
        sqlite_bench.add(picture, x=west, y=10, pixel=0.5, crs="EPSG:4326", record="R0", variable=variable)
    return sqlite_bench


def _served(bench):
    """The name of a variable whose data are the collection `c`."""
    instance = bench.variable("v")
    field = StoredField(name="b", instance_id=instance, band=0, format=DataFormat(dtype="uint16", nodata=0))
    bench.catalogue.collections.put(Collection(name="c", fields=(field,)))
    return "v"


def exported(bench, **inputs):
    job = bench.job(export_cube.PROCESS, collection="c", format="cog", **inputs).run()
    assert job.stage.name == "done", job.error
    with rasterio.open(bench.managed / "results" / job.id / "cube.tif") as file:
        return file.read(1), file.transform


def covered(bench, tmp_path, **params):
    context = Context(catalogue=bench.catalogue, limits=LIMITS, temporary=tmp_path, memory=MemoryGate(2**28))
    answer = coverage.coverage(context, Request([*params.items()]), "c")
    assert answer.status == 200
    with rasterio.MemoryFile(b"".join(answer.body.chunks())) as memory, memory.open() as file:
        return file.read(1), file.transform


@pytest.mark.parametrize("crs", [None, "OGC:CRS84", "EPSG:4326", "http://www.opengis.net/def/crs/OGC/1.3/CRS84"])
def test_both_sides_are_exported(both_sides, tmp_path, monkeypatch, crs):
    monkeypatch.setattr(export, "PART_BYTES", 100)
    monkeypatch.setattr(export.Format, "block_rows", 8)  # in parts of 8 rows
    found, transform = exported(both_sides, bbox=BBOX, **({"bboxCrs": crs} if crs else {}))
    expected = []
    for name, west in (("000.tif", 179), ("001.tif", -180)):
        with rasterio.open(both_sides.sources / name) as file:
            expected.append(file.read(1, window=from_bounds(west, -5, west + 1, 5, file.transform)))
    np.testing.assert_array_equal(found, np.hstack(expected))
    assert (transform.c, transform.f, transform.a) == (179, 5, 0.5)
    answer, place = covered(both_sides, tmp_path, bbox=",".join(map(str, BBOX)))
    np.testing.assert_array_equal(found, answer)
    assert place == transform


def test_a_box_in_degrees_is_taken_across_a_utm_zone(sqlite_bench, pixels, tmp_path):
    """Of a file of zone 1 north, half of which lies west of the date line."""
    bench, bbox = sqlite_bench, [179.95, 62.9, -179.95, 63.1]
    path = bench.add(
        pixels(20, 20, seed=3), x=340_000, y=7_000_000, pixel=1000, crs="EPSG:32601", variable=_served(bench)
    )
    found, transform = exported(bench, bbox=bbox)
    assert 5 < found.shape[1] < 20
    with rasterio.open(path) as file:
        bounds = array_bounds(*found.shape, transform)
        np.testing.assert_array_equal(found, file.read(1, window=from_bounds(*bounds, file.transform)))
    answer, place = covered(bench, tmp_path, bbox=",".join(map(str, bbox)))
    np.testing.assert_array_equal(found, answer)
    assert place == transform


@pytest.mark.parametrize(
    ("inputs", "parameter", "told"),
    [
        ({"bbox": [179, 5, -179, -5]}, "bbox", "lower corner"),
        ({"bbox": [181, -5, -179, 5]}, "bbox", "-180..180"),
        ({"bbox": [179, -5, -181, 5]}, "bbox", "-180..180"),
        ({"bbox": [500_000, 0, 400_000, 10], "bboxCrs": "EPSG:32633"}, "bbox", "lower corner"),
        ({"bbox": [1, 2, 3, 4], "bboxCrs": "EPSG:99999"}, "bboxCrs", "not a coordinate reference system"),
    ],
)
def test_boxes_that_are_none_are_refused(inputs, parameter, told):
    with pytest.raises(InvalidInput, match=told) as raised:
        export.ExportOrder.from_inputs({"collection": "c", **inputs})
    assert raised.value.parameter == parameter
