"""NetCDF of EDR queries, read by xarray, and OWSLib's client, against CoverageJSON of the same query."""

import io
import json

import numpy as np
import pytest
import xarray
from owslib.ogcapi.edr import EnvironmentalDataRetrieval

S2 = "/collections/s2-romania"
POINT = "POINT(22.1522 45.2048)"
LINE = "LINESTRING(22.1465 45.2021, 22.1540 45.2075)"
DAY = {"parameter_name": "B8", "datetime": "2016-03-18"}


def opened(demo, path, **params):
    answer = demo.ok(path, f="netcdf", **params)
    assert answer.headers["content-type"] == "application/netcdf"
    return xarray.open_dataset(io.BytesIO(answer.content), engine="h5netcdf", mask_and_scale=False)


def test_a_point_is_a_time_series(demo):
    ask = {"coords": POINT, "parameter_name": "B8,ndvi", "datetime": "2016"}
    series = demo.json(f"{S2}/position", **ask)
    with opened(demo, f"{S2}/position", **ask) as file:
        assert file.attrs["featureType"] == "timeSeries"
        assert file["B8"].values.tolist() == series["ranges"]["B8"]["values"]
        ours = [None if np.isnan(value) else pytest.approx(value) for value in file["ndvi"].values.tolist()]
        assert ours == series["ranges"]["ndvi"]["values"]
        assert float(file["longitude"]) == 22.1522
        assert [str(t)[:10] for t in file["time"].values] == [t[:10] for t in series["domain"]["axes"]["t"]["values"]]


def test_a_trajectory_has_its_places(demo):
    line = demo.json(f"{S2}/trajectory", coords=LINE, **DAY)["coverages"][0]
    with opened(demo, f"{S2}/trajectory", coords=LINE, **DAY) as file:
        assert file["B8"].values.ravel().tolist() == line["ranges"]["B8"]["values"]
        places = [place[1:] for place in line["domain"]["axes"]["composite"]["values"]]
        assert np.column_stack([file["longitude"], file["latitude"]]).tolist() == places


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("cube", {"bbox": "22.150,45.203,22.152,45.204"}),
        ("area", {"coords": "POLYGON((22.15 45.203,22.152 45.203,22.152 45.205,22.15 45.203))"}),
    ],
)
def test_a_cube_has_its_pixels(demo, kind, params):
    cube = demo.json(f"{S2}/{kind}", **params, **DAY)["ranges"]["B8"]
    with opened(demo, f"{S2}/{kind}", **params, **DAY) as file:
        assert list(file["B8"].shape) == cube["shape"]
        flat = file["B8"].values.ravel().tolist()
    assert all(theirs in (None, ours) for ours, theirs in zip(flat, cube["values"], strict=True))


def test_a_reduced_area_is_a_time_series(demo):
    ask = {"coords": "POLYGON((22.15 45.203,22.152 45.203,22.152 45.205,22.15 45.203))", "reducer": "mean"}
    series = demo.json(f"{S2}/area", **ask, **DAY)["ranges"]["B8_mean"]["values"]
    with opened(demo, f"{S2}/area", **ask, **DAY) as file:
        assert file["B8_mean"].values.tolist() == pytest.approx(series)


def test_owslib_asks_every_query(demo):
    client = EnvironmentalDataRetrieval(f"{demo.url}/")
    ask = {"parameter_names": ["B8"], "datetime_": "2016-03-18"}
    queries = {
        "area": {"coords": "POLYGON((22.15 45.203,22.152 45.203,22.152 45.205,22.15 45.203))"},
        "trajectory": {"coords": LINE},
        "corridor": {"coords": LINE, "corridor_width": 50, "width_units": "m"},
        "cube": {"bbox": [22.150, 45.203, 22.152, 45.204], "resolution_x": 4, "resolution_y": 3},
    }
    assert set(client.collection("s2-romania")["data_queries"]) >= set(queries)
    for kind, more in queries.items():
        answer = client.query_data("s2-romania", kind, **more, **ask)
        found = answer if isinstance(answer, dict) else json.loads(answer)
        assert list(found["parameters"]) == ["B8"], kind
    assert found["ranges"]["B8"]["shape"] == [1, 3, 4]
    places = client.query_data("s2-romania", "locations")
    found = places if isinstance(places, dict) else json.loads(places)
    assert found["features"][0]["properties"]["records"] == 140
