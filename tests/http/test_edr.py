"""`/position` and `/area`."""

import csv
import io

import numpy as np
import pytest
import rasterio
from rasterio.features import geometry_mask
from rasterio.warp import transform_geom
from shapely import wkt
from shapely.geometry import mapping, shape

S2 = "/collections/s2-romania"
POINT = "POINT(22.1522 45.2048)"
POLYGON = "POLYGON((22.148 45.202, 22.155 45.203, 22.156 45.208, 22.150 45.207, 22.148 45.202))"


@pytest.fixture(scope="module")
def inside(romania_files):
    """True for the pixels whose centre lies in `POLYGON`, by rasterio."""
    with rasterio.open(romania_files[0]) as file:
        moved = transform_geom("OGC:CRS84", file.crs, mapping(wkt.loads(POLYGON)))
        return geometry_mask([shape(moved)], file.shape, file.transform, invert=True)


def rows(answer):
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_position_as_csv_says_the_same_as_coveragejson(demo):
    table = rows(demo.ok(f"{S2}/position", coords=POINT, f="csv"))
    series = demo.json(f"{S2}/position", coords=POINT)
    assert [row["time"] for row in table] == series["domain"]["axes"]["t"]["values"]
    for name, values in series["ranges"].items():
        assert [float(row[name]) if row[name] else None for row in table] == pytest.approx(values["values"])


def test_position_gives_every_field_unless_told(demo):
    assert set(demo.json(f"{S2}/position", coords=POINT)["ranges"]) == {"B2", "B3", "B4", "B8", "SCL", "ndvi"}
    assert set(demo.json(f"{S2}/position", coords=POINT, parameter_name="B4,ndvi")["ranges"]) == {"B4", "ndvi"}


def test_position_honours_datetime_mask_group_and_mosaic(demo):
    ask = {"coords": POINT, "parameter_name": "ndvi", "datetime": "2016"}
    masked = demo.json(f"{S2}/position", **ask)["ranges"]["ndvi"]["values"]
    whole = demo.json(f"{S2}/position", mask="none", **ask)["ranges"]["ndvi"]["values"]
    assert None in masked
    assert None not in whole
    best = demo.json(f"{S2}/position", group="all", mosaic="max", **ask)["ranges"]["ndvi"]["values"]
    assert best == [pytest.approx(max(v for v in masked if v is not None))]


def test_position_is_reported_where_it_was_asked(demo):
    axes = demo.json(f"{S2}/position", coords=POINT, datetime="2016-03-18")["domain"]["axes"]
    assert (axes["x"]["values"], axes["y"]["values"]) == ([22.1522], [45.2048])


def test_position_crs(demo):
    there = demo.json(f"{S2}/position", coords=POINT, datetime="2016-03-18")["ranges"]["B8"]["values"]
    from pyproj import Transformer

    x, y = Transformer.from_crs("OGC:CRS84", "EPSG:3857", always_xy=True).transform(22.1522, 45.2048)
    same = demo.json(
        f"{S2}/position",
        coords=f"POINT({x} {y})",
        crs="http://www.opengis.net/def/crs/EPSG/0/3857",
        datetime="2016-03-18",
    )
    assert same["ranges"]["B8"]["values"] == there
    assert same["domain"]["referencing"][0]["system"]["id"].endswith("/3857")


def test_area_reducers_equal_numpy_over_the_stored_pixels(demo, romania_files, inside):
    series = demo.json(
        f"{S2}/area", coords=POLYGON, parameter_name="B8,ndvi", reducer="mean,median,min,max,count", datetime="2016"
    )
    files = [p for p in romania_files if p.stem.startswith("S2_2016")]
    times = series["domain"]["axes"]["t"]["values"]
    assert [t[:10].replace("-", "") for t in times] == [p.stem[3:] for p in files]
    assert inside.sum() > 1000
    for at, path in enumerate(files):
        with rasterio.open(path) as file:
            _, _, b4, b8, scl = file.read().astype(float)
        clear = inside & np.isin(scl, [4, 5, 6, 7])
        ndvi = (b8[clear] - b4[clear]) / (b8[clear] + b4[clear])
        for name, values in (("B8", b8[inside]), ("ndvi", ndvi)):
            assert series["ranges"][f"{name}_count"]["values"][at] == values.size
            for reducer, judge in (("mean", np.mean), ("median", np.median), ("min", np.min), ("max", np.max)):
                found = series["ranges"][f"{name}_{reducer}"]["values"][at]
                assert found == (pytest.approx(judge(values), abs=1e-6) if values.size else None)


@pytest.mark.parametrize(
    ("ring", "count"),
    [
        ("-180 -90,180 -90,180 90,-180 90,-180 -90", 10000),
        ("0 45.205,44 45.205,44 60,0 60,0 45.205", 4761),
        ("0 30,44 30,44 45.205,0 45.205,0 30", 5239),
        ("20 40,25 40,25 45.205,20 45.205,20 40", 5239),
    ],
)
def test_long_edges_are_straight_where_they_were_drawn(demo, romania_files, ring, count):
    """A parallel bends on the collection's grid: a pixel is inside when its centre's longitude and latitude are."""
    import shapely
    from rasterio.transform import xy
    from rasterio.warp import transform

    with rasterio.open(romania_files[0]) as file:
        rows, cols = np.mgrid[:100, :100]
        xs, ys = xy(file.transform, rows.ravel(), cols.ravel())
        lon, lat = transform(file.crs, "OGC:CRS84", xs, ys)
    coords = f"POLYGON(({ring}))"
    assert shapely.contains_xy(wkt.loads(coords), lon, lat).sum() == count
    series = demo.json(f"{S2}/area", coords=coords, parameter_name="B4", reducer="count", datetime="2015-08-31")
    assert series["ranges"]["B4_count"]["values"] == [count]


def test_area_as_csv(demo):
    table = rows(demo.ok(f"{S2}/area", coords=POLYGON, parameter_name="ndvi", reducer="mean,count", f="csv"))
    assert len(table) == 140
    assert set(table[0]) == {"time", "ndvi_mean", "ndvi_count"}
    empty = [row for row in table if row["ndvi_count"] == "0"]
    assert empty
    assert all(row["ndvi_mean"] == "" for row in empty)


def test_area_without_a_reducer_is_the_cube_inside(demo, inside):
    cube = demo.json(f"{S2}/area", coords=POLYGON, parameter_name="B8", datetime="2016-03-18")
    assert cube["domain"]["domainType"] == "Grid"
    values = cube["ranges"]["B8"]["values"]
    assert sum(v is not None for v in values) == inside.sum()


def test_area_cube_as_csv_has_a_line_a_pixel(demo, inside):
    table = rows(demo.ok(f"{S2}/area", coords=POLYGON, parameter_name="B8", datetime="2016-03-18", f="csv"))
    assert len(table) == inside.sum()
    assert set(table[0]) == {"time", "x", "y", "B8"}


def test_an_area_smaller_than_a_pixel_takes_the_pixels_it_touches(demo):
    tiny = "POLYGON((22.1522 45.2048, 22.15221 45.2048, 22.15221 45.20481, 22.1522 45.2048))"
    series = demo.json(f"{S2}/area", coords=tiny, parameter_name="B8", reducer="count", datetime="2016-03-18")
    assert 1 <= series["ranges"]["B8_count"]["values"][0] <= 4


def test_a_multipolygon_is_an_area(demo):
    coords = f"MULTIPOLYGON({POLYGON.removeprefix('POLYGON')})"
    ask = {"parameter_name": "B8", "reducer": "mean", "datetime": "2016-03-18"}
    assert (
        demo.json(f"{S2}/area", coords=coords, **ask)["ranges"]
        == demo.json(f"{S2}/area", coords=POLYGON, **ask)["ranges"]
    )


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("position", {"coords": "POINT(0 0)"}),
        ("position", {"coords": POINT, "datetime": "1999"}),
        ("area", {"coords": "POLYGON((0 0,1 0,1 1,0 0))"}),
    ],
)
def test_where_nothing_lies_there_is_no_content(demo, path, params):
    assert demo.get(f"{S2}/{path}", **params).status_code == 204


@pytest.mark.parametrize(
    ("path", "parameter", "params"),
    [
        ("position", "coords", {}),
        ("position", "coords", {"coords": "POINT(1)"}),
        ("position", "coords", {"coords": "POINT EMPTY"}),
        ("position", "coords", {"coords": "POINT(nan nan)"}),
        ("position", "coords", {"coords": "POINT(1e999 0)"}),
        ("position", "coords", {"coords": "POINT(500 95)"}),
        ("position", "coords", {"coords": "POINT Z(1 2 3)"}),
        ("position", "coords", {"coords": "POINT M(22.1522 45.2048 3)"}),
        ("position", "crs", {"coords": "POINT(5300000 3000000)", "crs": "EPSG:5817"}),
        ("position", "coords", {"coords": "POINT(22 45); DROP TABLE record"}),
        ("position", "coords", {"coords": POLYGON}),
        ("position", "crs", {"coords": POINT, "crs": "EPSG:0"}),
        ("position", "parameter-name", {"coords": POINT, "parameter-name": "B99"}),
        ("position", "parameter_names", {"coords": POINT, "parameter-name": "B4", "parameter_names": "B4"}),
        ("position", "z", {"coords": POINT, "z": "1"}),
        ("position", "f", {"coords": POINT, "f": "geotiff"}),
        ("position", "mosaic", {"coords": POINT, "mosaic": "x"}),
        ("position", "group", {"coords": POINT, "group": "x"}),
        ("position", "mask", {"coords": POINT, "mask": "x"}),
        ("position", "datetime", {"coords": POINT, "datetime": "x"}),
        ("area", "coords", {"coords": "POLYGON((0 0,1 1,1 0,0 1,0 0))"}),
        ("area", "coords", {"coords": POINT}),
        ("area", "reducer", {"coords": POLYGON, "reducer": "sum"}),
        ("area", "reducer", {"coords": POLYGON, "reducer": "mean,mean"}),
    ],
)
def test_a_bad_value_is_refused_by_the_parameters_name(demo, path, parameter, params):
    import httpx

    answer = httpx.get(f"{demo.url}{S2}/{path}", params=params)
    assert answer.status_code == 400, answer.text
    assert answer.json()["parameter"] == parameter
