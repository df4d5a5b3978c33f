"""Radius, corridor, cube, trajectory, several points and locations, against rasterio, pyproj and numpy."""

import csv
import io
from itertools import pairwise

import numpy as np
import pytest
import rasterio
from pyproj import Geod, Transformer
from rasterio.features import geometry_mask
from rasterio.warp import transform_geom
from shapely.geometry import mapping, shape

S2 = "/collections/s2-romania"
L8 = "/collections/l8-paraguay"
X, Y = 22.1522, 45.2048
POINT = f"POINT({X} {Y})"
LINE = "LINESTRING(22.1465 45.2021, 22.1540 45.2075, 22.1575 45.2030)"
BOX = "22.150,45.203,22.155,45.206"
DAY = "2016-03-18"
GEOD = Geod(ellps="WGS84")
ALL = "mean,median,min,max,count,std,p5,p10,p25,p75,p90,p95"


@pytest.fixture(scope="module")
def day(romania_files):
    """The file of `DAY`, its fourth band, and longitude and latitude of its pixels' centres."""
    path = next(path for path in romania_files if path.stem == f"S2_{DAY.replace('-', '')}")
    with rasterio.open(path) as file:
        rows, cols = np.mgrid[: file.height, : file.width]
        xs, ys = file.transform @ (cols + 0.5, rows + 0.5)
        lon, lat = Transformer.from_crs(file.crs, "OGC:CRS84", always_xy=True).transform(xs, ys)
        yield file, file.read(4), lon, lat


def table(answer):
    return list(csv.DictReader(io.StringIO(answer.text)))


def numbers(demo, path, **params):
    """The reduced values of B8 on `DAY`."""
    series = demo.json(path, parameter_name="B8", datetime=DAY, **params)
    return {name.removeprefix("B8_"): found["values"][0] for name, found in series["ranges"].items()}


def by_numpy(values):
    values = values.astype(float)
    percentiles = {f"p{p}": np.percentile(values, p) for p in (5, 10, 25, 75, 90, 95)}
    return {"mean": values.mean(), "median": np.median(values), "min": values.min(), "max": values.max(),
            "count": values.size, "std": values.std(), **percentiles}  # fmt: skip


@pytest.mark.parametrize(
    ("within", "units", "metres"),
    [("200", "m", 200), ("0.2", "km", 200), ("0.1", "mi", 160.9344), ("0.1", "nmi", 185.2), ("500", "ft", 152.4),
     ("200", "yd", 182.88), ("5", "km", 5000)],
)  # fmt: skip
def test_radius_takes_the_pixels_within_a_distance(demo, day, within, units, metres):
    _, b8, lon, lat = day
    distance = GEOD.inv(np.full(lon.shape, X), np.full(lon.shape, Y), lon, lat)[2]
    assert not (np.abs(distance - metres) < 1e-3).any()
    found = numbers(demo, f"{S2}/radius", coords=POINT, within=within, within_units=units, reducer=ALL)
    assert found == pytest.approx(by_numpy(b8[distance <= metres]))


def test_radius_without_a_reducer_is_the_cube_inside(demo, day):
    _, b8, lon, lat = day
    inside = GEOD.inv(np.full(lon.shape, X), np.full(lon.shape, Y), lon, lat)[2] <= 150
    cube = demo.json(f"{S2}/radius", coords=POINT, within="150", within_units="m", parameter_name="B8", datetime=DAY)
    assert cube["domain"]["domainType"] == "Grid"
    values = [value for value in cube["ranges"]["B8"]["values"] if value is not None]
    assert values == b8[inside].tolist()


def on_line(lon, lat, line):
    """The distance of each pixel to a line that is straight in degrees, from points every few centimetres on it."""
    points = np.concatenate([np.linspace(a, b, 4001) for a, b in zip(line.coords[:-1], line.coords[1:], strict=True)])
    near = np.full(lon.shape, np.inf)
    for x, y in points[::10]:
        near = np.minimum(near, GEOD.inv(np.full(lon.shape, x), np.full(lon.shape, y), lon, lat)[2])
    return near


def test_corridor_takes_the_pixels_within_half_its_width(demo, day):
    from shapely import wkt

    _, b8, lon, lat = day
    distance = on_line(lon, lat, wkt.loads(LINE))
    ask = {"coords": LINE, "corridor_width": "0.2", "width_units": "km"}
    found = numbers(demo, f"{S2}/corridor", reducer="count,mean", **ask)
    sure, unsure = distance < 99.99, np.abs(distance - 100) <= 0.01
    assert sure.sum() <= found["count"] <= sure.sum() + unsure.sum()
    assert found["mean"] == pytest.approx(b8[distance <= 100].mean(), rel=1e-3)
    twice = numbers(demo, f"{S2}/corridor", reducer="count", coords=LINE, corridor_width="0.4", width_units="km")
    assert twice["count"] > 1.5 * found["count"]
    cube = demo.json(f"{S2}/corridor", parameter_name="B8", datetime=DAY, **ask)
    assert sum(value is not None for value in cube["ranges"]["B8"]["values"]) == found["count"]


def test_cube_is_the_window_of_the_stored_pixels(demo, day):
    file, b8, _, _ = day
    west, north = file.transform @ (10, 20)
    east, south = file.transform @ (40, 60)
    crs = "http://www.opengis.net/def/crs/EPSG/0/3035"  # northing first
    cube = demo.json(
        f"{S2}/cube", bbox=f"{south},{west},{north},{east}", bbox_crs=crs, parameter_name="B8", datetime=DAY
    )
    assert cube["ranges"]["B8"]["shape"] == [1, 40, 30]
    assert np.array_equal(np.reshape(cube["ranges"]["B8"]["values"], (40, 30)), b8[20:60, 10:40])
    found = numbers(demo, f"{S2}/cube", bbox=f"{south},{west},{north},{east}", bbox_crs=crs, reducer=ALL)
    assert found == pytest.approx(by_numpy(b8[20:60, 10:40]))


def grid_of(cube):
    axes = cube["domain"]["axes"]
    x, y = (
        np.array(a["values"]) if "values" in a else np.linspace(a["start"], a["stop"], a["num"])
        for a in (axes["x"], axes["y"])
    )
    return x, y, np.reshape(cube["ranges"]["B8"]["values"], (len(y), len(x)))


def test_resolution_counts_places_along_the_axes(demo, day):
    """The standard: "a value at both the minimum x and maximum x coordinates" and evenly between."""
    file, _, _, _ = day
    west, south, east, north = map(float, BOX.split(","))
    cube = demo.json(
        f"{S2}/cube", bbox=BOX, crs="OGC:CRS84", resolution_x="9", resolution_y="5", resampling="nearest",
        parameter_name="B8", datetime=DAY,
    )  # fmt: skip
    x, y, values = grid_of(cube)
    assert x == pytest.approx(np.linspace(west, east, 9))
    assert y == pytest.approx(np.linspace(north, south, 5))
    places = np.meshgrid(x, y)
    moved = Transformer.from_crs("OGC:CRS84", file.crs, always_xy=True).transform(*map(np.ravel, places))
    judge = [value[0] for value in file.sample(zip(*moved, strict=True), indexes=4)]
    assert values.ravel().tolist() == judge
    assert demo.json(f"{S2}/cube", bbox=BOX, resolution_x="0", parameter_name="B8", datetime=DAY) == demo.json(
        f"{S2}/cube", bbox=BOX, parameter_name="B8", datetime=DAY
    )


@pytest.mark.parametrize("kind", ["cube", "area", "radius", "corridor"])
def test_crs_is_that_of_the_answers_grid(demo, day, kind):
    file, _, _, _ = day
    to = Transformer.from_crs("OGC:CRS84", "EPSG:3857", always_xy=True)
    west, south, east, north = map(float, BOX.split(","))
    (x0, x1), (y0, y1) = to.transform([west, east], [south, north])
    ask = {
        "cube": {"bbox": BOX},
        "area": {"coords": f"POLYGON(({x0} {y0},{x1} {y0},{x1} {y1},{x0} {y1},{x0} {y0}))"},
        "radius": {"coords": f"POINT({x0} {y0})", "within": "200", "within_units": "m"},
        "corridor": {"coords": f"LINESTRING({x0} {y0},{x1} {y1})", "corridor_width": "90", "width_units": "m"},
    }[kind]
    cube = demo.json(
        f"{S2}/{kind}", crs="http://www.opengis.net/def/crs/EPSG/0/3857", resampling="nearest", parameter_name="B8",
        datetime=DAY, **ask,
    )  # fmt: skip
    assert cube["domain"]["referencing"][0]["system"]["id"].endswith("/3857")
    x, y, values = grid_of(cube)
    back = Transformer.from_crs("EPSG:3857", file.crs, always_xy=True)
    moved = back.transform(*map(np.ravel, np.meshgrid(x, y)))
    judge = np.array([value[0] for value in file.sample(zip(*moved, strict=True), indexes=4)])
    flat = values.ravel()
    there = np.array([value is not None for value in flat])
    # A centre may lie within a hair of a pixel's edge, where two warpers differ.
    assert np.mean(flat[there].astype(int) == judge[there]) > 0.995
    assert there.sum() > 50
    smooth = demo.json(f"{S2}/{kind}", crs="EPSG:3857", resampling="cubic", parameter_name="B8", datetime=DAY, **ask)
    assert smooth["ranges"]["B8"]["values"] != cube["ranges"]["B8"]["values"]


def test_trajectory_has_every_pixel_on_the_way_in_order(demo, day):
    from shapely import wkt

    file, b8, _, _ = day
    ends = wkt.loads(LINE).coords
    dense = np.concatenate([np.linspace(a, b, 40001) for a, b in pairwise(ends)])
    back = Transformer.from_crs("OGC:CRS84", file.crs, always_xy=True)
    cols, rows = ~file.transform @ back.transform(dense[:, 0], dense[:, 1])
    cells = np.column_stack([np.floor(rows), np.floor(cols)]).astype(int)
    cells = cells[np.append(True, (cells[1:] != cells[:-1]).any(axis=1))]
    cells = cells[((cells >= 0) & (cells < 100)).all(axis=1)]
    found = demo.json(f"{S2}/trajectory", coords=LINE, parameter_name="B8", datetime=DAY)
    assert (found["type"], found["domainType"], len(found["coverages"])) == ("CoverageCollection", "Trajectory", 1)
    one = found["coverages"][0]
    places = one["domain"]["axes"]["composite"]["values"]
    assert {place[0] for place in places} == {f"{DAY}T00:00:00Z"}
    ours = ~file.transform @ back.transform(*np.array([place[1:] for place in places]).T)
    at = np.column_stack([np.floor(ours[1]), np.floor(ours[0])]).astype(int)
    assert one["ranges"]["B8"]["values"] == b8[at[:, 0], at[:, 1]].tolist()
    # Corners that are cut by less than the judge's step may be missing from its list, and nothing else.
    missed = iter(at.tolist())
    assert all(cell in missed for cell in cells.tolist())
    assert len(cells) <= len(at) <= len(cells) + 2


def test_trajectory_honours_parameters_time_mask_group_and_mosaic(demo):
    ask = {"coords": LINE, "datetime": "2016"}
    every = demo.json(f"{S2}/trajectory", **ask)
    assert set(every["parameters"]) == {"B2", "B3", "B4", "B8", "SCL", "ndvi"}
    masked = demo.json(f"{S2}/trajectory", parameter_name="ndvi", **ask)
    whole = demo.json(f"{S2}/trajectory", parameter_name="ndvi", mask="none", **ask)

    def values(found):
        return [one["ranges"]["ndvi"]["values"] for one in found["coverages"]]

    assert any(None in step for step in values(masked))
    assert not any(None in step for step in values(whole))
    best = demo.json(f"{S2}/trajectory", parameter_name="ndvi", group="all", mosaic="max", mask="none", **ask)
    assert values(best)[0] == pytest.approx(np.max(values(whole), axis=0).tolist())


def test_trajectory_as_csv_and_in_another_crs(demo):
    rows = table(demo.ok(f"{S2}/trajectory", coords=LINE, parameter_name="B8", datetime=DAY, f="csv"))
    found = demo.json(f"{S2}/trajectory", coords=LINE, parameter_name="B8", datetime=DAY)["coverages"][0]
    assert [int(row["B8"]) for row in rows] == found["ranges"]["B8"]["values"]
    to = Transformer.from_crs("OGC:CRS84", "EPSG:3857", always_xy=True)
    from shapely import wkt

    moved = ",".join("{} {}".format(*to.transform(*point)) for point in wkt.loads(LINE).coords)
    there = table(
        demo.ok(
            f"{S2}/trajectory", coords=f"LINESTRING({moved})", crs="EPSG:3857", parameter_name="B8", datetime=DAY,
            f="csv",
        )
    )  # fmt: skip
    x, y = to.transform(float(rows[0]["x"]), float(rows[0]["y"]))
    assert float(there[0]["x"]) == pytest.approx(x, abs=0.5)
    assert float(there[0]["y"]) == pytest.approx(y, abs=0.5)
    assert abs(len(there) - len(rows)) <= 2


def test_a_line_across_two_scenes_is_one_trajectory(demo, paraguay_files):
    """Windows of a large collection are put together again, over the mosaic of the day."""
    file = rasterio.open(paraguay_files["077", "B4"])
    other = rasterio.open(paraguay_files["078", "B4"])
    with file, other:
        top, bottom = file.bounds, other.bounds
        ends = ((top.left + 9000, top.top - 3000), (bottom.right - 9000, bottom.bottom + 3000))
        coords = "LINESTRING({} {},{} {})".format(*ends[0], *ends[1])
        rows = table(demo.ok(f"{L8}/trajectory", coords=coords, crs="EPSG:32621", parameter_name="B4", f="csv"))
        assert len(rows) > 1500
        places = [(float(row["x"]), float(row["y"])) for row in rows]
        below, above = (np.array([v[0] for v in one.sample(places)]) for one in (file, other))
    judge = np.where(above > 0, above, below)
    assert [int(row["B4"] or 0) for row in rows] == judge.tolist()


def test_several_points_have_a_series_each(demo):
    points = [(22.1522, 45.2048), (22.1541, 45.2061), (0, 0)]
    coords = "MULTIPOINT({})".format(",".join(f"({x} {y})" for x, y in points))
    found = demo.json(f"{S2}/position", coords=coords, parameter_name="B8", datetime="2016")
    assert (found["type"], found["domainType"], len(found["coverages"])) == ("CoverageCollection", "PointSeries", 2)
    for (x, y), one in zip(points, found["coverages"], strict=False):
        alone = demo.json(f"{S2}/position", coords=f"POINT({x} {y})", parameter_name="B8", datetime="2016")
        assert one["ranges"] == alone["ranges"]
        assert one["domain"]["axes"] == alone["domain"]["axes"]
    rows = table(demo.ok(f"{S2}/position", coords=coords, parameter_name="B8", datetime=DAY, f="csv"))
    assert [(float(row["x"]), float(row["y"])) for row in rows] == points[:2]


def test_locations_are_the_areas_of_the_records(demo, paraguay_files):
    found = demo.ok(f"{L8}/locations")
    assert found.headers["content-type"] == "application/geo+json"
    places = found.json()
    assert places["numberReturned"] == len(places["features"]) == 2
    for feature, row in zip(places["features"], ("077", "078"), strict=True):
        with rasterio.open(paraguay_files[row, "B4"]) as file:
            box = shape(transform_geom(file.crs, "OGC:CRS84", mapping(shape(
                {"type": "Polygon", "coordinates": [[(file.bounds.left, file.bounds.bottom),
                (file.bounds.right, file.bounds.bottom), (file.bounds.right, file.bounds.top),
                (file.bounds.left, file.bounds.top), (file.bounds.left, file.bounds.bottom)]]}))))  # fmt: skip
        assert shape(feature["geometry"]).symmetric_difference(box).area < 1e-3 * box.area
        assert feature["properties"]["records"] == 1
        assert feature["properties"]["edrqueryendpoint"].endswith(f"/locations/{feature['id']}")
    assert [one["id"] for one in places["parameters"]] == ["B2", "B3", "B4"]


def test_locations_are_paged_and_searched(demo):
    every = demo.json(f"{L8}/locations")["features"]
    first = demo.json(f"{L8}/locations", limit="1")
    assert first["features"] == every[:1]
    following = next(link["href"] for link in first["links"] if link["rel"] == "next")
    second = demo.json(following.removeprefix(demo.url))
    assert second["features"] == every[1:]
    assert not [link for link in second["links"] if link["rel"] == "next"]
    west, south, _, _ = shape(every[1]["geometry"]).bounds
    near = f"{west - 1},{south - 1},{west + 0.5},{south + 0.01}"
    assert demo.json(f"{L8}/locations", bbox=near)["features"] == every[1:]
    latitude_first = f"{south - 1},{west - 1},{south + 0.01},{west + 0.5}"
    assert demo.json(f"{L8}/locations", bbox=latitude_first, bbox_crs="EPSG:4326")["features"] == every[1:]
    assert demo.json(f"{L8}/locations", datetime="2021")["features"] == []
    assert len(demo.json(f"{L8}/locations", datetime="2020-05-18")["features"]) == 2


def test_a_location_answers_as_its_polygon(demo):
    place = demo.json(f"{S2}/locations")["features"][0]
    here = f"{S2}/locations/{place['id']}"
    ask = {"parameter_name": "B8,ndvi", "datetime": "2016", "reducer": "mean,count"}
    series = demo.json(here, **ask)
    from shapely import to_wkt

    area = demo.json(f"{S2}/area", coords=to_wkt(shape(place["geometry"]), rounding_precision=15), **ask)
    assert series["ranges"] == area["ranges"]
    assert series["domain"]["axes"] == area["domain"]["axes"]
    assert set(demo.json(here, datetime=DAY, parameter_name="B8")["ranges"]) == {"B8_mean"}
    cube = demo.json(here, parameter_name="B8", datetime=DAY, reducer="none")
    assert cube["ranges"]["B8"]["shape"] == [1, 100, 100]
    demo.refused(f"{S2}/locations/999999", status=404)
    demo.refused(f"{S2}/locations/x", status=404)


def test_an_area_in_geojson_is_a_feature_a_pixel(demo, romania_files):
    polygon = {"type": "Polygon", "coordinates": [[[22.150, 45.203], [22.152, 45.203], [22.152, 45.205],
               [22.150, 45.203]]]}  # fmt: skip
    with rasterio.open(romania_files[0]) as file:
        moved = transform_geom("OGC:CRS84", file.crs, polygon)
        inside = geometry_mask([shape(moved)], file.shape, file.transform, invert=True)
    coords = "POLYGON((22.150 45.203,22.152 45.203,22.152 45.205,22.150 45.203))"
    ask = {"coords": coords, "parameter_name": "B8", "datetime": DAY}
    found = demo.json(f"{S2}/area", f="GeoJSON", **ask)
    assert len(found["features"]) == inside.sum()
    cube = demo.json(f"{S2}/area", **ask)["ranges"]["B8"]["values"]
    assert [one["properties"]["B8"] for one in found["features"]] == [value for value in cube if value is not None]
    lon, lat = found["features"][0]["geometry"]["coordinates"]
    assert 22.149 < lon < 22.153
    assert 45.202 < lat < 45.206
    reduced = demo.json(f"{S2}/area", f="geojson", reducer="mean", **ask)["features"]
    assert len(reduced) == 1
    assert reduced[0]["geometry"]["type"] == "Polygon"
    assert reduced[0]["properties"]["B8_mean"] == pytest.approx(np.mean([v for v in cube if v is not None]))
    assert shape(reduced[0]["geometry"]).equals_exact(shape(polygon), 1e-9)


@pytest.mark.parametrize(
    ("path", "parameter", "params"),
    [
        ("radius", "coords", {"within": "1", "within-units": "km"}),
        ("radius", "within", {"coords": POINT, "within-units": "km"}),
        ("radius", "within-units", {"coords": POINT, "within": "1"}),
        ("radius", "within-units", {"coords": POINT, "within": "1", "within-units": "parsec"}),
        ("radius", "within", {"coords": POINT, "within": "-1", "within-units": "km"}),
        ("radius", "within", {"coords": POINT, "within": "1e9", "within-units": "km"}),
        ("radius", "within", {"coords": POINT, "within": "x", "within-units": "km"}),
        ("radius", "coords", {"coords": LINE, "within": "1", "within-units": "km"}),
        ("corridor", "corridor-width", {"coords": LINE, "width-units": "km"}),
        ("corridor", "width-units", {"coords": LINE, "corridor-width": "1"}),
        ("corridor", "corridor-height", {"coords": LINE, "corridor-width": "1", "width-units": "m",
                                         "corridor-height": "1"}),
        ("corridor", "height-units", {"coords": LINE, "corridor-width": "1", "width-units": "m",
                                      "height-units": "m"}),
        ("corridor", "coords", {"coords": POINT, "corridor-width": "1", "width-units": "m"}),
        ("trajectory", "coords", {"coords": POINT}),
        ("trajectory", "coords", {"coords": "LINESTRING Z(22.15 45.20 1,22.16 45.21 2)"}),
        ("trajectory", "z", {"coords": LINE, "z": "0"}),
        ("trajectory", "reducer", {"coords": LINE, "reducer": "mean"}),
        ("cube", "bbox", {}),
        ("cube", "bbox", {"bbox": "1,2,3"}),
        ("cube", "bbox", {"bbox": "22.15,45.203,0,22.155,45.206,1"}),
        ("cube", "z", {"bbox": BOX, "z": "0/100"}),
        ("cube", "resolution-x", {"bbox": BOX, "resolution-x": "-1"}),
        ("cube", "resolution-y", {"bbox": BOX, "resolution-y": "1.5"}),
        ("cube", "resolution-z", {"bbox": BOX, "resolution-z": "1"}),
        ("cube", "resampling", {"bbox": BOX, "resampling": "x"}),
        ("cube", "bbox-crs", {"bbox": BOX, "bbox-crs": "EPSG:0"}),
        ("locations", "bbox-crs", {"bbox-crs": "EPSG:999999"}),
        ("locations", "limit", {"limit": "0"}),
        ("locations", "after", {"after": "x"}),
        ("locations/1", "reducer", {"reducer": "x"}),
        ("locations/1", "z", {"z": "1"}),
    ],
)  # fmt: skip
def test_a_bad_value_is_refused_by_the_parameters_name(demo, path, parameter, params):
    import httpx

    answer = httpx.get(f"{demo.url}{S2}/{path}", params=params)
    assert answer.status_code == 400, answer.text
    assert answer.json()["parameter"] == parameter


@pytest.mark.parametrize("name", ["z", "resolution-z", "corridor-height", "height-units"])
def test_heights_are_refused_with_a_reason(demo, name):
    import httpx

    answer = httpx.get(f"{demo.url}{S2}/cube", params={"bbox": BOX, name: "1"})
    assert "no vertical axis" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("radius", {"coords": "POINT(0 0)", "within": "1", "within-units": "km"}),
        ("corridor", {"coords": "LINESTRING(0 0,1 1)", "corridor-width": "1", "width-units": "km"}),
        ("trajectory", {"coords": "LINESTRING(0 0,1 1)"}),
        ("trajectory", {"coords": LINE, "datetime": "1999"}),
        ("cube", {"bbox": "0,0,1,1"}),
        ("locations/1", {"datetime": "1999"}),
    ],
)
def test_where_nothing_lies_there_is_no_content(demo, path, params):
    import httpx

    assert httpx.get(f"{demo.url}{S2}/{path}", params=params).status_code == 204
