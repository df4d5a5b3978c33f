"""`/coverage`, parameter by parameter: each test fails when its parameter is ignored."""

import numpy as np
import pytest
import rasterio

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


# --- fields and format -----------------------------------------------------------------------------------------------


def test_properties_choose_fields_in_the_order_asked(demo, stored):
    cube = one(demo, properties="SCL,B2")
    assert cube.descriptions == (f"{DAY}T00:00:00Z SCL", f"{DAY}T00:00:00Z B2")
    assert np.array_equal(cube.data, stored[0][[4, 0]])


def test_fields_of_two_types_share_one_that_holds_both(demo, stored):
    cube = one(demo, properties="B4,ndvi")
    assert cube.data.dtype == np.float32
    assert np.isnan(cube.nodata)
    assert np.array_equal(cube.data[0], stored[0][2].astype(np.float32))


@pytest.mark.parametrize("f", ["geotiff", "tiff", "image/tiff", "image/tiff; application=geotiff"])
def test_geotiff_has_several_names(demo, f):
    answer = demo.ok(S2, datetime=DAY, f=f)
    assert answer.headers["content-type"] == "image/tiff; application=geotiff"
    assert answer.content[:4] in (b"II*\0", b"MM\0*")


def test_the_accept_header_decides_without_f(demo):
    import httpx

    answer = httpx.get(
        f"{demo.url}{S2}?datetime={DAY}&width=2", headers={"Accept": "text/html;q=0.9, application/prs.coverage+json"}
    )
    assert answer.headers["content-type"] == "application/prs.coverage+json"
    assert httpx.get(f"{demo.url}{S2}?datetime={DAY}&width=2").headers["content-type"].startswith("image/tiff")


def test_png_is_the_default_style(demo, stored, read_png):
    answer = demo.ok(S2, datetime=DAY, f="png")
    assert answer.headers["content-type"] == "image/png"
    rgba = read_png(answer.content)
    assert rgba.shape == (4, 100, 100)
    assert (rgba[3] == 255).all()
    for channel, band, (low, high) in ((0, 2, (0, 1000)), (1, 1, (50, 1100)), (2, 0, (0, 900))):
        expected = ((stored[0][band].astype(float) - low) / (high - low) * 255).clip(0, 255)
        assert np.abs(rgba[channel] - expected).max() <= 0.51


def test_png_of_named_fields_stretches_over_their_range(demo, stored, read_png):
    grey = read_png(demo.ok(S2, datetime=DAY, f="png", properties="SCL").content)
    expected = (stored[0][4].astype(float) - 1) * 25.5  # its range is 1 to 11
    for channel in grey[:3]:
        assert np.abs(channel - expected).max() <= 0.51


def test_png_is_transparent_where_nothing_is_valid(demo, stored, read_png):
    rgba = read_png(demo.ok(S2, datetime=DAY, f="png", mask="SCL:5").content)
    assert np.array_equal(rgba[3] == 255, stored[0][4] == 5)


def test_png_of_counts_goes_from_none_to_all(demo, stored, read_png):
    grey = read_png(demo.ok(S2, datetime="2016", f="png", properties="B4", mosaic="count", group="all").content)
    assert (grey[0] == 255).all()  # no pixel of 2016 is empty


def test_png_of_many_dates_is_refused_with_advice(demo):
    problem = demo.refused(S2, f="png")
    assert problem["parameter"] == "f"
    assert "140" in problem["detail"]
    assert "group=all" in problem["detail"]


def test_coveragejson_of_several_fields_is_right(demo, stored):
    cube = demo.json(S2, datetime="2016-03-18/2016-04-07", f="covjson", properties="B4,ndvi", width=10)
    tiff = demo.tiff(S2, datetime="2016-03-18/2016-04-07", properties="B4,ndvi", width=10)
    axes = cube["domain"]["axes"]
    assert axes["t"]["values"] == ["2016-03-18T00:00:00Z", "2016-04-07T00:00:00Z"]
    assert (axes["x"]["num"], axes["y"]["num"]) == (10, 10)
    assert axes["x"]["start"] == pytest.approx(tiff.transform.c + tiff.transform.a / 2)  # centres, not edges
    assert axes["y"]["stop"] == pytest.approx(tiff.transform.f + 9.5 * tiff.transform.e)
    assert cube["domain"]["referencing"][0]["system"]["id"] == f"{EPSG}3035"
    b4, ndvi = cube["ranges"]["B4"], cube["ranges"]["ndvi"]
    assert b4["dataType"] == "integer"
    assert b4["shape"] == [2, 10, 10]
    assert b4["axisNames"] == ["t", "y", "x"]
    assert np.array_equal(np.array(b4["values"]).reshape(2, 10, 10), tiff.data[[0, 2]])
    values = np.array([np.nan if v is None else v for v in ndvi["values"]]).reshape(2, 10, 10)
    assert np.allclose(values, tiff.data[[1, 3]], equal_nan=True)
    assert cube["parameters"]["B4"]["observedProperty"]["label"]["en"]
    assert cube["prismcube:status"] == ["ok", "ok"]


def test_empty_pixels_are_null_in_coveragejson(demo):
    cube = demo.json(L8, f="json", width=40, properties="B4")
    assert None in cube["ranges"]["B4"]["values"]
    assert 0 not in cube["ranges"]["B4"]["values"]


def test_the_plan_names_every_file_and_its_cost(demo, romania_files):
    plan = demo.json(S2, f="plan", properties="ndvi", datetime="2016")
    of_2016 = [p for p in romania_files if p.stem.startswith("S2_2016")]
    assert plan["cost"]["slices"] == plan["cost"]["files"] == len(of_2016)
    assert plan["cost"]["outputBytes"] == len(of_2016) * 100 * 100 * 4
    assert plan["cost"]["readBytes"] == len(of_2016) * 100 * 100 * 2 * 3  # B4, B8 and SCL for the mask
    step = plan["slices"][0]["layers"][0]["steps"][0]
    assert step["uri"].endswith(of_2016[0].name)
    assert step["mode"] == "copy"
    assert {band["target"] for band in step["bands"]} == {"B4", "B8", "quality:SCL"}
    assert plan["masks"] == {"ndvi": "SCL:4,5,6,7"}


def test_a_plan_beyond_the_budget_is_still_a_plan(demo):
    plan = demo.json(S2, f="plan", width=60000, height=60000, datetime=DAY)
    assert plan["cost"]["outputBytes"] == 60000**2 * 2 * 5


# --- area and grid ---------------------------------------------------------------------------------------------------


def test_subset_by_the_axes_of_the_collection(demo, stored):
    pixels, transform = stored
    west, north = transform @ (20, 30)
    east, south = transform @ (45, 40)
    cube = one(demo, subset=f"E({west}:{east}),N({south}:{north})")
    assert np.array_equal(cube.data[0], pixels[2, 30:40, 20:45])
    assert cube.transform.almost_equals(transform @ transform.translation(20, 30), 1e-6)


def test_subset_on_one_axis_alone_cuts_that_axis(demo, stored):
    pixels, transform = stored
    _, north = transform @ (0, 30)
    _, south = transform @ (0, 40)
    assert np.array_equal(one(demo, subset=f"y({south}:{north})").data[0], pixels[2, 30:40])
    assert np.array_equal(one(demo, subset=f"y(*:{north})").data[0], pixels[2, 30:])


def test_subset_at_one_position_is_one_pixel_wide(demo, stored):
    pixels, transform = stored
    x, _ = transform @ (20.5, 0)
    assert np.array_equal(one(demo, subset=f"E({x})").data[0], pixels[2, :, 20:21])


def test_subset_by_a_star_is_the_whole_axis(demo, stored):
    assert np.array_equal(one(demo, subset="E(*),N(*)").data[0], stored[0][2])


def test_subset_on_the_far_edge_is_the_last_pixel(demo, stored):
    pixels, transform = stored
    east, south = transform @ (100, 100)
    assert one(demo, subset=f"E({east!r}),N({south!r})").data.tolist() == [[[pixels[2, 99, 99]]]]


def test_subset_in_degrees(demo):
    cube = one(demo, subset="Lat(45.203:45.206),Lon(22.150:22.155)")
    assert 0 < cube.shape[0] < 100
    assert cube.crs == rasterio.crs.CRS.from_epsg(3035)


@pytest.mark.parametrize(
    "time",
    [
        'time("2016-03-18")',
        "time(2016-03-18)",
        'time("2016-03-18T00:00:00Z":"2016-03-20")',
        "time(2016-03-18T00:00:00Z)",
    ],
)
def test_subset_by_time(demo, time):
    cube = demo.tiff(S2, subset=time, properties="B4")
    assert cube.descriptions == (f"{DAY}T00:00:00Z B4",)


def test_subset_by_time_between_unquoted_instants(demo):
    cube = demo.tiff(S2, subset="time(2016-03-18T00:00:00Z:2016-04-07T00:00:00Z),E(*:*)", properties="B4")
    assert len(cube.data) == 2


def test_subset_may_be_repeated(demo, stored):
    import httpx

    _, transform = stored
    x, y = transform @ (20.5, 30.5)
    answer = httpx.get(f"{demo.url}{S2}?subset=E({x})&subset=N({y})&subset=time({DAY})&f=json&properties=B4")
    assert answer.json()["ranges"]["B4"]["values"] == [int(stored[0][2, 30, 20])]


def test_bbox_is_longitude_latitude_by_default(demo):
    cube = one(demo, bbox="22.150,45.203,22.155,45.206")
    assert one(demo, subset="Lat(45.203:45.206),Lon(22.150:22.155)").data.tolist() == cube.data.tolist()


def test_bbox_crs_decides_units_and_axis_order(demo, stored):
    pixels, transform = stored
    west, north = transform @ (20, 30)
    east, south = transform @ (45, 40)
    for crs in (f"{EPSG}3035", "EPSG:3035", "[EPSG:3035]", "urn:ogc:def:crs:EPSG::3035"):
        cube = one(demo, bbox=f"{south},{west},{north},{east}", bbox_crs=crs)  # EPSG:3035 has its northing first
        assert np.array_equal(cube.data[0], pixels[2, 30:40, 20:45])
    swapped = one(demo, bbox="45.203,22.150,45.206,22.155", bbox_crs=f"{EPSG}4326")
    assert np.array_equal(swapped.data, one(demo, bbox="22.150,45.203,22.155,45.206").data)


def test_crs_is_that_of_the_answer(demo):
    answer = demo.ok(S2, datetime=DAY, crs=f"{EPSG}32634")
    assert answer.headers["content-crs"] == f"<{EPSG}32634>"
    with rasterio.MemoryFile(answer.content) as memory, memory.open() as file:
        assert file.crs.to_epsg() == 32634
        assert file.res[0] == pytest.approx(10, rel=0.02)
        bounds = [float(v) for v in answer.headers["content-bbox"].split(",")]
        assert bounds == pytest.approx(list(file.bounds))


@pytest.mark.parametrize(("factor", "size"), [("2", 50), ("4", 25), ("0.5", 200), ("2.5", 40)])
def test_scale_factor_divides_the_resolution(demo, factor, size):
    cube = one(demo, scale_factor=factor)
    assert cube.shape == (size, size)
    assert cube.transform.a == pytest.approx(1000 / size)


@pytest.mark.parametrize(("size", "shape"), [("E(20),N(10)", (10, 20)), ("x(20)", (20, 20)), ("Lat(5),Lon(7)", (5, 7))])
def test_scale_size_names_the_axes(demo, size, shape):
    assert one(demo, scale_size=size).shape == shape


def test_width_and_height(demo):
    assert one(demo, width=30, height=20).shape == (20, 30)
    assert one(demo, width=30).shape == (30, 30)
    assert one(demo, height=25).shape == (25, 25)


# --- time, mask, groups, mosaic, resampling --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("datetime", "count"),
    [
        ("2016-03-18", 1),
        ("2015-08/9999", 140),
        ("../9999-12-31", 140),
        ("2016-03-18/2016-04-07", 2),
        ("2016-03", 1),
        ("../2015-08-31", 3),
        ("2021-01-01/..", 1),
    ],
)
def test_datetime(demo, datetime, count):
    assert len(demo.tiff(S2, datetime=datetime, properties="B4").data) == count


def test_mask_by_name_rule_and_none(demo, stored):
    scl = stored[0][4]
    masked = one(demo, mask="clear", properties="B4").data[0]
    assert np.array_equal(masked == 0, ~np.isin(scl, [4, 5, 6, 7]))
    keep = one(demo, mask="SCL:5", properties="B4").data[0]
    assert np.array_equal(keep == 0, scl != 5)
    drop = one(demo, mask="SCL:!5", properties="B4").data[0]
    assert np.array_equal(drop == 0, scl == 5)
    bits = one(demo, mask="SCL:bits:0", properties="B4").data[0]
    assert np.array_equal(bits == 0, scl % 2 == 0)
    assert (one(demo, mask="none", properties="B4").data != 0).all()


@pytest.mark.parametrize(("group", "steps"), [("record", 140), ("day", 140), ("year", 7), ("all", 1)])
def test_group_makes_the_time_steps(demo, romania, group, steps):
    assert demo.json(S2, group=group, f="plan")["cost"]["slices"] == steps


def test_group_by_month(demo, romania):
    months = {date[:7] for date in romania["dates"]}
    plan = demo.json(S2, group="month", f="plan")
    assert [one["start"][:7] for one in plan["slices"]] == sorted(months)


def test_group_in_the_callers_order(demo):
    plan = demo.json(S2, group="S2_20160407,S2_20150801;S2_20160318", f="plan")
    assert [[layer["record"] for layer in one["layers"]] for one in plan["slices"]] == [
        ["S2_20160407", "S2_20150801"],
        ["S2_20160318"],
    ]
    same = demo.json(S2, group=f"id:{plan['slices'][1]['layers'][0]['recordId']}", f="plan")
    assert same["slices"][0]["layers"][0]["record"] == "S2_20160318"


@pytest.mark.parametrize("mosaic", ["first", "last", "min", "max", "mean", "median", "count"])
def test_mosaic_equals_numpy(demo, romania_files, mosaic):
    """The five dates of March to May 2016, B8."""
    files = [p for p in romania_files if "S2_20160318" <= p.stem <= "S2_20160527"]
    stack = np.stack([rasterio.open(p).read(4) for p in files]).astype(float)
    expected = {
        "first": stack[0],
        "last": stack[-1],
        "min": stack.min(axis=0),
        "max": stack.max(axis=0),
        "mean": stack.mean(axis=0),
        "median": np.median(stack, axis=0),
        "count": np.full(stack.shape[1:], len(files)),
    }[mosaic]
    cube = demo.tiff(S2, properties="B8", datetime="2016-03-18/2016-05-27", group="all", mosaic=mosaic)
    assert cube.data.shape[0] == 1
    assert np.allclose(cube.data[0], expected, rtol=1e-6)


def test_resampling_overrides_the_variables_own(demo):
    asked = {"width": 37, "height": 31}
    bilinear = one(demo, **asked).data
    assert np.array_equal(one(demo, resampling="bilinear", **asked).data, bilinear)  # the variable's own
    assert not np.array_equal(one(demo, resampling="nearest", **asked).data, bilinear)
    assert not np.array_equal(one(demo, resampling="cubic", **asked).data, bilinear)


def test_the_mask_is_judged_by_nearest_neighbour_on_the_answers_grid(demo):
    scl = one(demo, properties="SCL", width=37, height=31).data[0]
    ndvi = one(demo, properties="ndvi", width=37, height=31).data[0]
    assert np.array_equal(np.isfinite(ndvi), np.isin(scl, [4, 5, 6, 7]))
