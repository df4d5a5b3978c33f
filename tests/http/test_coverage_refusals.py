"""`/coverage`: answers without data, budgets, and every refusal by its parameter's name."""

import json

import httpx
import pytest

S2 = "/collections/s2-romania/coverage"
DAY = "2016-03-18"


@pytest.mark.parametrize("params", [{"datetime": "1999"}, {"bbox": "0,0,1,1"}, {"subset": "E(0:10)"}])
def test_where_nothing_lies_there_is_no_content(demo, params):
    answer = demo.get(S2, **params)
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize("crs", ["EPSG:3413", "EPSG:3031", "EPSG:3857", "EPSG:32634"])
def test_the_whole_world_is_as_far_as_there_are_data(demo, crs):
    """Also where the world has no box: in a polar projection the other pole is infinitely far."""
    world = demo.json(S2, bbox="-180,-90,180,90", crs=crs, datetime=DAY, properties="B4", f="plan")["grid"]
    assert world == demo.json(S2, crs=crs, datetime=DAY, properties="B4", f="plan")["grid"]


def test_the_whole_world_has_no_size_in_a_polar_projection(demo):
    problem = demo.refused(S2, bbox="-180,-90,180,90", crs="EPSG:3413", width=400, datetime=DAY)
    assert problem["parameter"] == "bbox"
    assert "has no place in EPSG:3413" in problem["detail"]


def test_a_cube_beyond_the_budget_is_refused_with_the_size_that_fits(demo):
    problem = demo.refused(S2, status=413, width=60000, height=60000, datetime=DAY)
    assert problem["asked"] > problem["allowed"]
    width = int(problem["detail"].split("width=")[1].split("&")[0])
    assert width < 60000
    assert demo.json(S2, width=width, height=width, datetime=DAY, f="plan")["cost"]["outputBytes"] <= problem["allowed"]


@pytest.mark.parametrize("side", [10**7, 10**9, 2**31 - 1])
def test_a_cube_beyond_all_numbers_is_refused_too(demo, side):
    assert demo.refused(S2, status=413, scale_size=f"E({side}),N({side})")["asked"] >= 10**14
    assert demo.json(S2, f="plan", width=side, height=side, datetime=DAY)["cost"]["outputBytes"] >= 10**14


@pytest.mark.parametrize(("width", "height"), [(1, 2**31 - 1), (5, 2**31 - 1), (2**31 - 1, 3), (60000, 60000)])
def test_what_is_advised_would_be_allowed(demo, width, height):
    ask = {"properties": "B4", "datetime": DAY, "resampling": "nearest"}
    problem = demo.refused(S2, status=413, width=width, height=height, **ask)
    advised = dict(part.split("=") for part in problem["detail"].split("(")[1].split(")")[0].split("&"))
    cost = demo.json(S2, f="plan", **advised, **ask)["cost"]
    assert cost["outputBytes"] <= 512 * 2**20
    assert cost["workingBytes"] <= 2**30 or "answer" in problem["detail"]


def test_a_large_text_answer_is_refused(demo):
    assert "f=geotiff" in demo.refused(S2, status=413, f="json", width=2000, height=2000, datetime=DAY)["detail"]


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("colour", "red"),
        ("f", "exe"),
        ("f", ""),
        ("subset", "E(5236000:"),
        ("subset", "height(0:1)"),
        ("subset", "E(1:2),E(3:4)"),
        ("subset", "E(2:1)"),
        ("subset", "E(1:2),Lat(1:2)"),
        ("subset", "time(yesterday)"),
        ("bbox", "1,2,3"),
        ("bbox", "a,b,c,d"),
        ("bbox", "nan,nan,nan,nan"),
        ("bbox", "10,10,5,5"),
        ("bbox", "1e999,0,1e999,1"),
        ("bbox", "-200,0,200,1"),
        ("bbox", "1,2,3,4,5,6"),
        ("bbox-crs", "EPSG:999999"),
        ("crs", "EPSG:999999"),
        ("crs", "+proj=longlat"),
        ("crs", "/etc/passwd"),
        ("crs", "EPSG:5714"),
        ("scale-factor", "0"),
        ("scale-factor", "-1"),
        ("scale-factor", "two"),
        ("scale-size", "E(0)"),
        ("scale-size", "time(5)"),
        ("width", "0"),
        ("width", "99999999999"),
        ("scale-factor", "1e-300"),
        ("subset", 'time("2016":"2015")'),
        ("subset", "Lon(22.1:22.2),Lat(95:99)"),
        ("crs", "EPSG:4979"),
        ("crs", "EPSG:4978"),
        ("bbox-crs", "EPSG:4979"),
        ("subset-crs", "EPSG:4978"),
        ("crs", "EPSG:5817"),
        ("crs", "ESRI:54053"),
        ("scale-factor", "1e-308"),
        ("scale-factor", "5e-324"),
        ("width", "1.5"),
        ("height", "-3"),
        ("properties", "B99"),
        ("properties", "B4,B4"),
        ("properties", ","),
        ("datetime", "tomorrow"),
        ("datetime", "2021/2020"),
        ("datetime", "2020/2021/2022"),
        ("datetime", "0000-00-00"),
        ("datetime", "10000"),
        ("datetime", "2020-02-30"),
        ("mask", "cloudy"),
        ("mask", "SCL:"),
        ("mask", "SCL:9-1"),
        ("mask", "SCL:0-999999999"),
        ("mask", "ndvi:1"),
        ("mask", "B99:1"),
        ("mask", "SCL:bits:99"),
        ("group", "week"),
        ("group", "S2_20150801,S2_20150801"),
        ("group", "S2_20150801;"),
        ("mosaic", "best"),
        ("resampling", "gauss"),
    ],
)
def test_a_bad_value_is_refused_by_the_parameters_name(demo, parameter, value):
    answer = httpx.get(demo.url + S2, params={parameter: value})
    assert answer.status_code == 400, answer.text
    assert answer.json()["parameter"] == parameter
    assert answer.json()["detail"].startswith(f"{parameter}:")


@pytest.mark.parametrize(
    "query",
    [
        "bbox=22.150,45.203,22.155,45.206&subset=E(1:2)",
        "datetime=2016&subset=time(2016)",
        "width=5&scale-factor=2",
        "width=5&scale-size=E(5)",
        "width=5&width=6",
    ],
)
def test_contradictions_are_refused(demo, query):
    answer = httpx.get(f"{demo.url}{S2}?{query}")
    assert answer.status_code == 400, answer.text


def test_an_unknown_parameter_is_told_what_there_is(demo):
    problem = demo.refused(S2, colour="red")
    assert "scale-factor" in problem["detail"]


def test_an_unknown_collection_is_not_found(demo):
    assert "atlantis" in demo.refused("/collections/atlantis/coverage", status=404)["detail"]


def test_problems_are_json(demo):
    json.dumps(demo.refused(S2, mosaic="best"))
