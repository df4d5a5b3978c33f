"""Own ports of the abstract tests of OGC API - Coverages part 1 (19-087, annex A), named by conformance class and test.

Not ported, for what they ask is optional and not offered: interpolation preferences, sparse dimensions, multi-slicing,
position query, heights, dimensions besides space and time.
"""

import httpx
import numpy as np
import pytest
import rasterio
from rasterio.warp import transform_bounds

CONF = "http://www.opengis.net/spec/ogcapi-coverages-1/1.0/conf/"
REL = "http://www.opengis.net/def/rel/ogc/1.0/"
EPSG = "http://www.opengis.net/def/crs/EPSG/0/"
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
S2 = "/collections/s2-romania/coverage"
DAY = {"datetime": "2016-03-18", "properties": "B4"}


@pytest.fixture(scope="module")
def stored(romania_files):
    """The file of `DAY`: (B4, transform)."""
    with rasterio.open(next(p for p in romania_files if p.stem == "S2_20160318")) as file:
        return file.read(3), file.transform


def pixels(demo, **params):
    return demo.tiff(S2, **DAY | params)


# --- core -------------------------------------------------------------------------------------------------------------


def test_core_conformance_success(demo):
    declared = set(demo.json("/conformance")["conformsTo"])
    assert {
        CONF + name
        for name in ("core", "subsetting-spatial", "subsetting-temporal", "scaling-spatial", "field-selection", "crs")
    } <= declared


def test_core_collection_description(demo):
    for one in demo.json("/collections")["collections"]:
        assert any(link["rel"] == f"{REL}coverage" for link in one["links"])
        assert one["storageCrs"].startswith("http://www.opengis.net/def/crs/")
        assert len(one["extent"]["spatial"]["storageCrsBbox"][0]) == 4


def test_core_coverage_fields_schema(demo):
    collection = demo.json("/collections/s2-romania")
    schema = next(link for link in collection["links"] if link["rel"] == f"{REL}schema")
    fields = httpx.get(schema["href"]).json()["properties"]
    assert all(one["title"] and one["type"] in ("integer", "number") for one in fields.values())
    order = sorted(fields, key=lambda name: fields[name]["x-ogc-propertySeq"])
    assert [name for name in order if name in collection["defaultFields"]] == collection["defaultFields"]
    cube = demo.tiff(S2, datetime="2016-03-18")
    assert [text.split()[1] for text in cube.descriptions] == collection["defaultFields"]


def test_core_get_coverage(demo):
    for link in demo.json("/collections/s2-romania")["links"]:
        if link["rel"] == f"{REL}coverage":
            separator = "&" if "?" in link["href"] else "?"
            day = "" if "datetime" in link["href"] else f"{separator}datetime=2016-03-18"
            answer = httpx.get(link["href"] + day, timeout=60)
            assert answer.status_code == 200
            assert answer.headers["content-type"] == link["type"]


def test_core_get_coverage_is_in_the_storage_crs(demo):
    assert pixels(demo).crs.to_epsg() == 3035


def test_core_response_headers(demo):
    answer = demo.ok(S2, **DAY)
    assert answer.headers["content-crs"] == f"<{EPSG}3035>"
    south, west, north, east = map(float, answer.headers["content-bbox"].split(","))  # northing first
    with rasterio.MemoryFile(answer.content) as memory, memory.open() as file:
        assert (west, south, east, north) == pytest.approx(tuple(file.bounds))
    assert answer.headers["content-datetime"] == "2016-03-18T00:00:00Z"
    several = demo.ok(S2, datetime="2016-03/2016-04", properties="B4")
    assert several.headers["content-datetime"] == "2016-03-18T00:00:00Z/2016-04-27T00:00:00Z"
    flattened = demo.ok(S2, datetime="2016-03/2016-04", properties="B4", group="all")
    assert flattened.headers["content-datetime"] == several.headers["content-datetime"]


# --- subsetting-spatial -----------------------------------------------------------------------------------------------


def test_subsetting_spatial_subset_trims(demo, stored):
    values, transform = stored
    west, north = transform @ (10, 20)
    east, south = transform @ (40, 60)
    cube = pixels(demo, subset=f"E({west}:{east}),N({south}:{north})")
    assert np.array_equal(cube.data[0], values[20:60, 10:40])


def test_subsetting_spatial_subset_slices(demo, stored):
    values, transform = stored
    x, _ = transform @ (10.5, 0)
    assert np.array_equal(pixels(demo, subset=f"E({x})").data[0], values[:, 10:11])


def test_subsetting_spatial_subset_of_lat_and_lon(demo):
    cube = pixels(demo, subset="Lat(45.203:45.206),Lon(22.15:22.155)")
    west, south, east, north = transform_bounds("EPSG:3035", "EPSG:4326", *_bounds(cube), densify_pts=21)
    assert west <= 22.15 < 22.155 <= east
    assert south <= 45.203 < 45.206 <= north


def _bounds(cube):
    rows, columns = cube.shape
    west, north = cube.transform @ (0, 0)
    east, south = cube.transform @ (columns, rows)
    return west, south, east, north


def test_subsetting_spatial_subset_invalid_axis(demo):
    assert demo.refused(S2, subset="Height(1:2)")["parameter"] == "subset"


@pytest.mark.parametrize("subset", ["Lat(-10:-5)", "Lon(100:110)", "E(0:100)", "N(9000000:9000100)"])
def test_subsetting_spatial_out_of_bounds(demo, subset):
    assert demo.get(S2, **DAY, subset=subset).status_code == 204


def test_subsetting_spatial_wrap_around(demo, stored):
    assert np.array_equal(pixels(demo, subset="Lon(22:-170)").data[0], stored[0])
    assert demo.get(S2, **DAY, subset="Lon(100:-170)").status_code == 204


def test_subsetting_spatial_subset_bbox_exclusivity(demo):
    assert demo.refused(S2, subset="Lat(45:46)", bbox="22,45,23,46")["status"] == 400


def test_subsetting_spatial_wildcard_limits(demo, stored):
    values, transform = stored
    x, _ = transform @ (30, 0)
    assert np.array_equal(pixels(demo, subset=f"E(*:{x})").data[0], values[:, :30])
    assert np.array_equal(pixels(demo, subset=f"E({x}:*)").data[0], values[:, 30:])
    assert np.array_equal(pixels(demo, subset="E(*:*)").data[0], values)


def test_subsetting_spatial_multiple_subset(demo):
    apart = httpx.get(
        demo.url + S2,
        params=[*DAY.items(), ("subset", "Lat(45.203:45.206)"), ("subset", "Lon(22.15:22.155)")],
        timeout=60,
    )
    together = demo.ok(S2, **DAY, subset="Lat(45.203:45.206),Lon(22.15:22.155)")
    assert apart.content == together.content


@pytest.mark.parametrize("crs", ["EPSG:32634", f"{EPSG}32634", f"[{'EPSG:32634'}]"])
def test_subsetting_spatial_subset_crs(demo, stored, crs):
    _, transform = stored
    inside = (transform.c + 200, transform.f - 700, transform.c + 400, transform.f - 300)
    west, south, east, north = transform_bounds("EPSG:3035", "EPSG:32634", *inside, densify_pts=21)
    cube = demo.tiff(S2, **DAY, **{"subset-crs": crs, "subset": f"E({west}:{east}),N({south}:{north})"})
    found = _bounds(cube)
    assert found[0] <= inside[0] < inside[2] <= found[2]
    assert found[1] <= inside[1] < inside[3] <= found[3]
    assert max(cube.shape) < 100
    assert demo.refused(S2, **{"subset-crs": f"{EPSG}999999", "subset": "E(1:2)"})["parameter"] == "subset-crs"


def test_subsetting_spatial_bbox_definition(demo, stored):
    cube = pixels(demo, bbox="22.15,45.203,22.155,45.206")
    assert np.array_equal(cube.data, pixels(demo, subset="Lat(45.203:45.206),Lon(22.15:22.155)").data)
    assert np.array_equal(pixels(demo, bbox="22,40,-170,50").data[0], stored[0]), "across the antimeridian"
    for wrong in ("1,2,3", "a,b,c,d", "22,46,23,45", "1,2,3,4,5"):
        assert demo.refused(S2, bbox=wrong)["parameter"] == "bbox"


def test_subsetting_spatial_bbox_crs(demo):
    first = pixels(demo, bbox="22.15,45.203,22.155,45.206")
    for crs, box in ((f"{EPSG}4326", "45.203,22.15,45.206,22.155"), (CRS84, "22.15,45.203,22.155,45.206")):
        assert np.array_equal(first.data, demo.tiff(S2, **DAY, **{"bbox": box, "bbox-crs": crs}).data)
    assert demo.refused(S2, **{"bbox": "1,2,3,4", "bbox-crs": f"{EPSG}999999"})["parameter"] == "bbox-crs"


# --- subsetting-temporal ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subset", "count"),
    [
        ('time("2016-03-18T00:00:00Z")', 1),
        ('time("2016-03-18")', 1),
        ('time("2016-03-18":"2016-04-07")', 2),
        ('time(*:"2015-08-31")', 3),
        ('time("2021-01-01":*)', 1),
        ("time(*)", 140),
    ],
)
def test_subsetting_temporal_subset_and_wildcard_limits(demo, subset, count):
    assert len(demo.tiff(S2, subset=subset, properties="B4").data) == count


def test_subsetting_temporal_out_of_bounds(demo):
    assert demo.get(S2, subset='time("1999":"2000")').status_code == 204


def test_subsetting_temporal_subset_datetime_exclusivity(demo):
    assert demo.refused(S2, subset='time("2016")', datetime="2016")["status"] == 400


def test_subsetting_temporal_multiple_subset(demo):
    query = [("subset", 'time("2016-03-18")'), ("subset", "E(*:*)"), ("properties", "B4")]
    answer = httpx.get(demo.url + S2, params=query, timeout=60)
    assert answer.content == demo.ok(S2, subset='time("2016-03-18"),E(*:*)', properties="B4").content


@pytest.mark.parametrize(
    ("datetime", "count"), [("2016-03-18", 1), ("2016-03-18/2016-04-07", 2), ("../2015-08-31", 3), ("2021-01-01/..", 1)]
)
def test_subsetting_temporal_datetime(demo, datetime, count):
    assert len(demo.tiff(S2, datetime=datetime, properties="B4").data) == count
    assert demo.refused(S2, datetime="soon")["parameter"] == "datetime"


# --- scaling-spatial --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resolution", "shape", "size"),
    [
        ("E(20),N(40)", (25, 50), (20, 40)),
        ("N(50)", (20, 100), (10, 50)),
        ("E(),N(25)", (40, 100), (10, 25)),
        ("x(100),y(100)", (10, 10), (100, 100)),
        ("E(30),N(30)", (34, 34), (30, 30)),
    ],
)
def test_scaling_spatial_resolution(demo, resolution, shape, size):
    cube = pixels(demo, resolution=resolution)
    assert cube.shape == shape
    assert (cube.transform.a, -cube.transform.e) == pytest.approx(size)


def test_scaling_spatial_resolution_in_degrees(demo):
    cube = pixels(demo, crs=f"{EPSG}4326", resolution="Lat(0.001),Lon(0.002)")
    assert (cube.transform.a, -cube.transform.e) == pytest.approx((0.002, 0.001))
    part = pixels(demo, crs=f"{EPSG}4326", resolution="Lat(),Lon(0.002)")
    assert part.transform.a == pytest.approx(0.002)
    assert -part.transform.e == pytest.approx(pixels(demo, crs=f"{EPSG}4326").transform.a)


@pytest.mark.parametrize("resolution", ["", "E(),N()", "E(10)"])
def test_scaling_spatial_native_resolution(demo, stored, resolution):
    answer = httpx.get(demo.url + S2, params=DAY | {"resolution": resolution}, timeout=60)
    with rasterio.MemoryFile(answer.content) as memory, memory.open() as file:
        assert np.array_equal(file.read(1), stored[0])


@pytest.mark.parametrize("resolution", ["Lat(1)", "time(1)", "E(1),x(2)", "E(0)", "E(-1)", "E(a)", "E"])
def test_scaling_spatial_resolution_invalid_axis(demo, resolution):
    assert demo.refused(S2, resolution=resolution)["parameter"] == "resolution"
    assert demo.refused(S2, resolution="E(20)", width=10)["parameter"] == "resolution"


def test_scaling_spatial_width_and_height(demo):
    assert pixels(demo, width=30, height=20).shape == (20, 30)
    assert pixels(demo, width=30).shape == (30, 30)
    for wrong in ("0", "-1", "1.5", "many"):
        assert demo.refused(S2, width=wrong)["parameter"] == "width"


# --- field-selection --------------------------------------------------------------------------------------------------


def test_field_selection_properties(demo):
    cube = demo.tiff(S2, datetime="2016-03-18", properties="SCL,B2")
    assert [text.split()[1] for text in cube.descriptions] == ["SCL", "B2"]
    document = demo.json(S2, datetime="2016-03-18", properties="SCL,B2", f="covjson")
    assert set(document["parameters"]) == set(document["ranges"]) == {"SCL", "B2"}
    assert demo.refused(S2, properties="B9")["parameter"] == "properties"


def test_field_selection_exclude_properties(demo):
    fields = list(demo.json("/collections/s2-romania/schema")["properties"])

    def kept(value):
        query = {"datetime": "2016-03-18", "f": "covjson", "exclude-properties": value}
        return list(httpx.get(demo.url + S2, params=query, timeout=60).json()["parameters"])

    assert kept("B2,SCL") == [name for name in fields if name not in ("B2", "SCL")]
    assert kept("") == fields
    assert demo.refused(S2, **{"exclude-properties": "B9"})["parameter"] == "exclude-properties"
    assert demo.refused(S2, **{"exclude-properties": "B2", "properties": "B4"})["status"] == 400
    assert demo.refused(S2, **{"exclude-properties": ",".join(fields)})["status"] == 400


# --- crs --------------------------------------------------------------------------------------------------------------


def test_crs_every_listed_one_is_honoured(demo):
    for crs in demo.json("/collections/s2-romania")["crs"]:
        if not crs.startswith("http"):  # a reference to the list of all collections
            continue
        answer = demo.ok(S2, **DAY, crs=crs)
        assert answer.headers["content-crs"] == f"<{crs}>"
        with rasterio.MemoryFile(answer.content) as memory, memory.open() as file:
            code = crs.rpartition("/")[2]
            assert file.crs.to_epsg() == (
                4326 if code == "CRS84" else int(code)
            )  # a GeoTIFF can't tell these two apart
            assert (file.read(1) > 0).mean() > 0.4


def test_crs_unknown_is_refused(demo):
    assert demo.refused(S2, crs=f"{EPSG}999999")["parameter"] == "crs"


# --- encodings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "begin"),
    [
        ("image/tiff; application=geotiff", b"II*\0"),
        ("image/png", b"\x89PNG"),
        ("application/prs.coverage+json", b"{"),
        ("application/netcdf", b"\x89HDF"),
        ("application/zip+zarr", b"PK"),
    ],
)
def test_encodings_are_negotiated(demo, accept, begin):
    answer = httpx.get(demo.url + S2, params=DAY, headers={"Accept": accept}, timeout=60)
    assert answer.headers["content-type"] == accept
    assert answer.content.startswith(begin)
