"""GDAL's own programs on coverages: its OGCAPI driver, and GeoTIFFs read from a stream."""

import json

import numpy as np
import pytest
import rasterio


def test_the_ogcapi_driver_finds_the_true_grid(demo, gdal, romania_files):
    """100 x 100 pixels at their place. The CRS that it tells is 4326 whatever the collection has: the driver sets it
    so for every coverage (OSGeo/gdal, frmts/ogcapi, InitWithCoverageAPI)."""
    found = json.loads(gdal("gdalinfo", "-json", f"OGCAPI:{demo.url}/collections/s2-romania"))
    assert found["size"] == [100, 100]
    assert [band["type"] for band in found["bands"]] == ["UInt16"] * 5
    with rasterio.open(romania_files[-1]) as file:
        assert found["geoTransform"] == pytest.approx(file.transform.to_gdal(), abs=1e-6)


def test_the_ogcapi_driver_reads_the_stored_pixels(demo, gdal, romania_files, tmp_path):
    target = tmp_path / "x.tif"
    options = ["-q", "-a_srs", "EPSG:3035", "--config", "GDAL_ENABLE_WMS_CACHE", "NO", "-oo", "CACHE=NO"]
    assert gdal("gdal_translate", *options, f"OGCAPI:{demo.url}/collections/s2-romania", target) is not None
    with rasterio.open(target) as ours, rasterio.open(romania_files[-1]) as file:
        assert np.array_equal(ours.read(), file.read())
        assert ours.crs == file.crs


def test_gdalinfo_on_the_coverage_itself_tells_its_crs(demo, gdal, romania_files):
    url = f"/vsicurl_streaming/{demo.url}/collections/s2-romania/coverage?datetime=2016-03-18"
    found = json.loads(gdal("gdalinfo", "-json", url))
    assert found["size"] == [100, 100]
    assert 'ID["EPSG",3035]' in found["coordinateSystem"]["wkt"]
    assert found["bands"][0]["description"] == "2016-03-18T00:00:00Z B2"


@pytest.mark.parametrize("name", ["s2-romania", "l8-paraguay"])
def test_the_domain_set_is_the_native_grid(demo, name):
    grid = demo.json(f"/collections/{name}/coverage/domainset")["generalGrid"]
    entry = demo.json(f"/collections/{name}")["extent"]["spatial"]
    assert grid["srsName"].endswith({"s2-romania": "/3035", "l8-paraguay": "/32621"}[name])
    x, y = grid["axis"][:2]
    assert (x["axisLabel"], y["axisLabel"]) == ("E", "N")
    box = [x["lowerBound"], y["lowerBound"], x["upperBound"], y["upperBound"]]
    north_first = grid["axisLabels"][0] == "N"
    assert north_first is (name == "s2-romania")
    expected = entry["storageCrsBbox"][0]
    assert box == pytest.approx([expected[i] for i in ((1, 0, 3, 2) if north_first else (0, 1, 2, 3))])
    for axis, cells in zip((x, y), entry["grid"], strict=True):
        assert (axis["upperBound"] - axis["lowerBound"]) / axis["resolution"] == pytest.approx(cells["cellsCount"])


def test_the_times_of_the_domain_set_are_the_dates_of_the_files(demo, romania_files):
    time = demo.json("/collections/s2-romania/coverage/domainset")["generalGrid"]["axis"][2]
    assert time["axisLabel"] == "time"
    assert len(time["coordinate"]) == len(romania_files)
    assert time["coordinate"] == sorted(time["coordinate"])


def test_range_type_and_schema_list_the_fields(demo):
    fields = demo.json("/collections/s2-romania/coverage/rangetype")["field"]
    assert [(one["name"], one["definition"]) for one in fields] == [
        (name, "UINT16") for name in ("B2", "B3", "B4", "B8", "SCL")
    ]
    schema = demo.json("/collections/s2-romania/schema")
    assert list(schema["properties"]) == ["B2", "B3", "B4", "B8", "SCL", "ndvi"]
    assert schema["properties"]["ndvi"]["type"] == "number"
    b8 = schema["properties"]["B8"]
    told = {"type": "integer", "format": "uint16", "x-ogc-propertySeq": 4, "x-ogc-nilValues": [0], "maximum": 10000}
    assert b8 | told == b8
