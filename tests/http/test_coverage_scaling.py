"""`/coverage`: scaling, CRSs, estimates, validators; each test fails when its parameter is ignored."""

import httpx
import numpy as np
import pytest
import rasterio
from rasterio.warp import Resampling, reproject, transform_bounds

S2 = "/collections/s2-romania/coverage"
L8 = "/collections/l8-paraguay/coverage"
DAY = "2016-03-18"
EPSG = "http://www.opengis.net/def/crs/EPSG/0/"


@pytest.fixture(scope="module")
def stored(romania_files):
    """The file of `DAY`: (pixels, transform)."""
    path = next(p for p in romania_files if p.stem == "S2_20160318")
    with rasterio.open(path) as file:
        return file.read(), file.transform


def one(demo, **params):
    """B4 of one day."""
    return demo.tiff(S2, **{"datetime": DAY, "properties": "B4", **params})


@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ("E(2),N(4)", (25, 50)),
        ("N(4)", (25, 100)),
        ("x(2)", (100, 50)),
        ("Lat(2.5),Lon(5)", (40, 20)),
        ("E(0.5)", (100, 200)),
    ],
)
def test_scale_axes_scale_each_axis(demo, axes, shape):
    cube = one(demo, scale_axes=axes)
    assert cube.shape == shape
    assert (1000 / cube.transform.a, -1000 / cube.transform.e) == pytest.approx((shape[1], shape[0]))


def test_scaled_pixels_are_those_of_gdal(demo, stored):
    cube = one(demo, scale_axes="E(2),N(4)", resampling="average")
    expected = np.zeros((25, 50), np.uint16)
    reproject(
        stored[0][2], expected, src_transform=stored[1], src_crs="EPSG:3035", dst_transform=cube.transform,
        dst_crs="EPSG:3035", resampling=Resampling.average, src_nodata=0, dst_nodata=0, tolerance=0.001,
    )  # fmt: skip
    assert np.abs(cube.data[0].astype(int) - expected).max() <= 1  # GDAL's halves are a little less than that
    mean = stored[0][2].reshape(25, 4, 50, 2).mean(axis=(1, 3))
    assert (stored[0][2] != 0).all()
    assert np.abs(cube.data[0] - mean).max() < 0.5 + 1e-6


def test_scale_axes_in_another_crs(demo):
    plain, wide = (one(demo, crs=f"{EPSG}32634", scale_axes=axes) for axes in ("E(1),N(1)", "E(4),N(2)"))
    assert wide.transform.a == pytest.approx(4 * plain.transform.a)
    assert wide.transform.e == pytest.approx(2 * plain.transform.e)
    assert wide.shape == (-(-plain.shape[0] // 2), -(-plain.shape[1] // 4))


def test_the_older_spelling_of_scale_size(demo):
    assert one(demo, scaleSize="E(20),N(10)").shape == (10, 20)


@pytest.mark.parametrize(
    ("params", "parameter"),
    [
        ({"scale-axes": "E(0)"}, "scale-axes"),
        ({"scale-axes": "E(-1)"}, "scale-axes"),
        ({"scale-axes": "E(2),x(2)"}, "scale-axes"),
        ({"scale-axes": "time(2)"}, "scale-axes"),
        ({"scale-axes": "Q(2)"}, "scale-axes"),
        ({"scale-axes": "E"}, "scale-axes"),
        ({"scale-axes": "E(2)", "scale-factor": "2"}, "scale-axes"),
        ({"scale-axes": "E(2)", "width": "20"}, "scale-axes"),
        ({"scale-size": "E(2)", "scaleSize": "E(2)"}, "scaleSize"),
        ({"subset-crs": f"{EPSG}999999"}, "subset-crs"),
        ({"subset-crs": f"{EPSG}999999", "subset": 'time("2016")'}, "subset-crs"),
        ({"subset-crs": f"{EPSG}32634", "subset": "Lat(45:46)"}, "subset"),
        ({"subset-crs": "utm", "subset": "E(45:46)"}, "subset-crs"),
        ({"estimate": "maybe"}, "estimate"),
    ],
)
def test_refusals_name_the_parameter(demo, params, parameter):
    assert demo.refused(S2, **params)["parameter"] == parameter


@pytest.mark.parametrize("code", ["32634", "3857", "25835"])
def test_subset_crs_is_that_of_the_axes(demo, stored, code):
    _, transform = stored
    inside = (transform.c + 200, transform.f - 700, transform.c + 400, transform.f - 300)
    west, south, east, north = transform_bounds("EPSG:3035", f"EPSG:{code}", *inside, densify_pts=21)
    cube = one(demo, **{"subset-crs": EPSG + code, "subset": f"E({west}:{east}),N({south}:{north})"})
    back = transform_bounds(f"EPSG:{code}", "EPSG:3035", west, south, east, north, densify_pts=21)
    first = int((back[0] - transform.c) // 10), int((transform.f - back[3]) // 10)
    assert (cube.transform.c, cube.transform.f) == pytest.approx(transform @ first)
    rows, columns = cube.shape
    assert np.array_equal(cube.data[0], stored[0][2][first[1] : first[1] + rows, first[0] : first[0] + columns])
    assert columns >= 20
    assert rows >= 40


def test_subset_crs_of_degrees_takes_lat_and_lon(demo):
    cubes = [
        one(demo, subset="Lat(45.203:45.206),Lon(22.15:22.155)", **more)
        for more in ({}, {"subset-crs": f"{EPSG}4326"}, {"subset-crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"})
    ]
    assert {cube.transform for cube in cubes} == {cubes[0].transform}
    assert one(demo, subset="Lat(45.203:45.206)", **{"subset-crs": f"{EPSG}4326"}).shape[0] < 60


@pytest.mark.parametrize("f", ["geotiff", "png", "covjson", "cog", "netcdf", "zarr"])
def test_an_estimate_is_the_plans_cost_and_reads_nothing(demo, f):
    before = demo.ok("/metrics").text
    params = {"datetime": "2016" if f != "png" else DAY, "properties": "ndvi", "f": f}
    estimate = demo.json(S2, estimate="true", **params)
    cost = demo.json(S2, **params | {"f": "plan"})["cost"]
    assert estimate["workingBytes"] <= cost.pop("workingBytes")  # of a GeoTIFF made in parts it is less
    assert estimate | cost == estimate
    assert estimate["fits"] is True
    assert estimate["grid"]["width"] == 100
    read = [line for line in before.splitlines() if line.startswith("prismcube_files_read_total")]
    assert read == [
        line for line in demo.ok("/metrics").text.splitlines() if line.startswith("prismcube_files_read_total")
    ]


def test_an_estimate_tells_what_would_not_fit_and_why(demo):
    estimate = demo.json(S2, estimate="true", width=60_000, height=60_000, datetime=DAY)
    assert estimate["fits"] is False
    assert "would fit" in estimate["reason"]
    assert demo.json(S2, estimate="false", f="covjson", datetime=DAY, properties="B4")["type"] == "Coverage"


def test_profiles_choose_among_tiffs(demo):
    for accept, expected in [
        ("image/tiff; application=geotiff; profile=cloud-optimized", "cloud-optimized"),
        ("image/tiff;profile=cloud-optimized;application=geotiff", "cloud-optimized"),
        ("image/tiff;application=geotiff", "geotiff"),
        ("application/netcdf", "netcdf"),
        ("application/json", "coverage+json"),
        ("application/zip+zarr;q=0.5, application/netcdf;q=0.1", "zarr"),
    ]:
        answer = httpx.get(f"{demo.url}{S2}?datetime={DAY}&width=3", headers={"Accept": accept}, timeout=60)
        assert answer.headers["content-type"].endswith(expected)


@pytest.mark.parametrize("f", ["geotiff", "png", "covjson", "cog", "netcdf", "zarr"])
def test_pixels_have_a_validator_that_spares_reading(demo, f):
    params = {"datetime": DAY, "f": f, "properties": "B4"}
    answer = demo.ok(S2, **params)
    tag = answer.headers["etag"]
    assert "max-age" in answer.headers["cache-control"]
    again = httpx.get(demo.url + S2, params=params, headers={"If-None-Match": f'"other", {tag}'}, timeout=60)
    assert again.status_code == 304
    assert again.content == b""
    assert again.headers["etag"] == tag
    for other in ({"width": 50}, {"datetime": "2015-08-01"}, {"properties": "B8"}, {"mask": "clear"}):
        changed = httpx.get(demo.url + S2, params=params | other, headers={"If-None-Match": tag}, timeout=60)
        assert changed.status_code == 200
        assert changed.headers["etag"] != tag


def test_a_picture_in_another_style_has_another_validator(demo):
    asked = {"datetime": "2020-05-18", "f": "png", "width": 50}
    catalogue = f"{demo.url}/catalogue/collections/l8-paraguay"
    first = demo.ok(L8, **asked)
    style = httpx.get(catalogue, timeout=60).json()["style"]
    darker = style | {"ranges": [[low, 2 * high] for low, high in style["ranges"]]}
    httpx.patch(catalogue, json={"style": darker}, timeout=60).raise_for_status()
    try:
        headers = {"If-None-Match": first.headers["etag"]}
        second = httpx.get(demo.url + L8, params=asked, headers=headers, timeout=60)
        assert second.status_code == 200
        assert second.content != first.content
    finally:
        httpx.patch(catalogue, json={"style": style}, timeout=60).raise_for_status()
    assert demo.ok(L8, **asked).headers["etag"] == first.headers["etag"]


@pytest.mark.parametrize(("f", "weak"), [("geotiff", False), ("zarr", True), ("netcdf", True), ("cog", True)])
def test_files_have_a_weak_validator(demo, f, weak):
    assert demo.ok(S2, datetime=DAY, f=f, width=5).headers["etag"].startswith("W/") is weak


def test_nothing_there_is_204(demo):
    for params in ({"bbox": "10,10,11,11"}, {"subset": "E(0:10)"}, {"datetime": "1999"}, {"subset": 'time("1999")'}):
        assert demo.get(S2, **params).status_code == 204


def test_boxes_across_the_antimeridian_touch_nothing_here(demo):
    assert demo.get(S2, bbox="170,40,-170,50").status_code == 204
    assert one(demo, bbox="20,40,-170,50").shape == (100, 100), "from Romania eastwards to the Pacific"
