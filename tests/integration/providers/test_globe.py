"""Collections in places where longitudes are awkward, through the handlers and a real catalogue."""

import csv
import io
import json

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine

from ingester.index import Indexer, Status, parse_mapping
from prismcube.catalogue import Catalogue, migrate
from prismcube.cube.gate import MemoryGate
from prismcube.errors import InvalidInput
from prismcube.model.grid import Bounds
from providers.ogc import coverage, edr, items, maps, maptiles, tilesets
from providers.ogc.answer import Context, Limits, Request

MAPPING = {
    "variables": {"v": {"bands": ["v"], "dtype": "uint16", "nodata": 0, "minimum": 1, "maximum": 70000}},
    "files": [
        {"pattern": r"(?P<date>.*)\\.tif".replace("\\\\", "\\"), "record": "r", "time": "2020-01-01", "tags": {},
         "datasets": [{"instance": "v/i", "bands": [1]}]},
    ],
    "collections": {"c": {"fields": {"v": {"instance": "v/i"}}, "style": {"fields": ["v"], "ranges": [[0, 70000]]}}},
}  # fmt: skip
LIMITS = Limits(
    answer_bytes=2**28, working_bytes=2**28, read_bytes=2**28, pixels=10**9, slices=10, json_values=10**6, items=10,
    default_items=10, vertices=1000, counted=1000,
)  # fmt: skip


@pytest.fixture
def served(tmp_path):
    """Index one file, made of these pixels; gives a Context."""
    catalogue = None

    def serve(pixels, crs, transform):
        nonlocal catalogue
        path = tmp_path / "x.tif"
        profile = {"driver": "GTiff", "count": 1, "dtype": "uint16", "crs": crs, "transform": transform, "nodata": 0}
        with rasterio.open(path, "w", height=pixels.shape[0], width=pixels.shape[1], **profile) as file:
            file.write(pixels.astype(np.uint16), 1)
        url = f"sqlite:///{tmp_path}/c.sqlite"
        migrate(url)
        catalogue = Catalogue(url)
        outcomes = []
        Indexer(catalogue, parse_mapping(MAPPING)).run([path], progress=outcomes.append)
        assert [one.status for one in outcomes] == [Status.CREATED], outcomes
        return Context(catalogue=catalogue, limits=LIMITS, temporary=tmp_path, memory=MemoryGate(2**28))

    yield serve
    if catalogue:
        catalogue.close()


def pixels_of(answer):
    assert answer.status == 200
    with rasterio.MemoryFile(b"".join(answer.body.chunks())) as memory, memory.open() as file:
        return file.read(1), file.transform


def series_of(answer):
    assert answer.status == 200
    return list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))


def test_longitudes_of_0_to_360_are_asked_for_with_180(served):
    whole = np.arange(1, 181 * 1 * 360 + 1)[: 180 * 360].reshape(180, 360)
    context = served(whole, "EPSG:4326", Affine(1, 0, 0, 0, -1, 90))
    for lon, col in ((-105.5, 254), (-0.5, 359), (0.5, 0), (179.5, 179), (-179.5, 180)):
        (row,) = series_of(edr.position(context, Request([("coords", f"POINT({lon} 44.5)"), ("f", "csv")]), "c"))
        assert int(row["v"]) == whole[45, col] % 65536
    data, transform = pixels_of(coverage.coverage(context, Request([("bbox", "-120,40,-100,50")]), "c"))
    assert np.array_equal(data, whole[40:50, 240:260].astype(np.uint16))
    assert transform.c == 240
    ring = "POLYGON((-120 40,-100 40,-100 50,-120 50,-120 40))"
    (row,) = series_of(edr.area(context, Request([("coords", ring), ("reducer", "count"), ("f", "csv")]), "c"))
    assert row["v_count"] == "200"


def test_areas_across_greenwich_are_whole_although_files_begin_there(served):
    whole = np.tile(1000 + np.arange(360), (180, 1))
    context = served(whole, "EPSG:4326", Affine(1, 0, 0, 0, -1, 90))
    for ring, expected in (
        ("-20 0,20 0,20 10,-20 10,-20 0", ("400", "1000.0", "1359.0")),
        ("-180 -90,180 -90,180 90,-180 90,-180 -90", ("64800", "1000.0", "1359.0")),
        ("-20 0,-10 0,-10 10,-20 10,-20 0", ("100", "1340.0", "1349.0")),
    ):
        asked = [("coords", f"POLYGON(({ring}))"), ("reducer", "count,min,max"), ("f", "csv")]
        (row,) = series_of(edr.area(context, Request(asked), "c"))
        assert (row["v_count"], row["v_min"], row["v_max"]) == expected
    data, transform = pixels_of(coverage.coverage(context, Request([("bbox", "-20,0,20,10")]), "c"))
    assert transform.c == -20
    assert np.array_equal(data, np.hstack([whole[80:90, 340:], whole[80:90, :20]]))
    data, transform = pixels_of(coverage.coverage(context, Request([("bbox", "-180,-90,180,90")]), "c"))
    assert (transform.c, data.shape[1]) == (0, 360)


@pytest.fixture
def dateline(served):
    """20 x 20 pixels of 1 km of UTM zone 1 north, half of them west of the date line."""
    return served(np.arange(1, 401).reshape(20, 20), "EPSG:32601", Affine(1000, 0, 340_000, 0, -1000, 7_000_000))


def test_across_the_date_line_everything_is_there(dateline):
    data, _ = pixels_of(coverage.coverage(dateline, Request([]), "c"))
    assert np.array_equal(data, np.arange(1, 401).reshape(20, 20))


@pytest.mark.parametrize(
    ("west", "east", "place"), [("-180", "-179.9", "POINT(-179.97 63.03)"), ("179.8", "180", "POINT(179.95 63.03)")]
)
def test_across_the_date_line_data_are_found_from_both_sides(dateline, west, east, place):
    data, _ = pixels_of(coverage.coverage(dateline, Request([("bbox", f"{west},62.9,{east},63.1")]), "c"))
    assert 0 < np.count_nonzero(data) <= 400
    pixels_of(coverage.coverage(dateline, Request([("subset", f"Lon({west}:{east})")]), "c"))
    assert int(series_of(edr.position(dateline, Request([("coords", place), ("f", "csv")]), "c"))[0]["v"]) > 0
    ring = f"POLYGON(({west} 62.9,{east} 62.9,{east} 63.1,{west} 63.1,{west} 62.9))"
    (row,) = series_of(edr.area(dateline, Request([("coords", ring), ("reducer", "count"), ("f", "csv")]), "c"))
    assert 0 < int(row["v_count"]) < 400


def test_across_the_date_line_maps_are_drawn(dateline):
    for col in ("0", "255"):
        assert maptiles.tile(dateline, Request(), "c", "WebMercatorQuad", "8", "72", col).status == 200


@pytest.mark.parametrize(("tms", "level", "east"), [("WorldCRS84Quad", "8", "511"), ("WGS1984Quad", "8", "511")])
def test_across_the_date_line_tiles_in_degrees_are_drawn_on_both_sides(dateline, tms, level, east):
    limits = tilesets.tileset(dateline, Request(), "c", tms)["tileMatrixSetLimits"]
    assert next(one for one in limits if one["tileMatrix"] == level)["maxTileCol"] == int(east)
    for col in ("0", east):
        png = maptiles.tile(dateline, Request(), "c", tms, level, "38", col).body
        with rasterio.MemoryFile(png) as memory, memory.open(driver="PNG") as file:
            assert file.read(4).any(), col


@pytest.mark.parametrize("west", ["-180", "179.5"])
def test_across_the_date_line_maps_show_each_side(dateline, west):
    box = f"{west},62.8,{float(west) + 0.5},63.3"
    asked = [("bbox", box), ("crs", "OGC:CRS84"), ("width", "50")]
    png = maps.map_picture(dateline, Request(asked), "c").body
    with rasterio.MemoryFile(png) as memory, memory.open(driver="PNG") as file:
        assert file.read(4).any()


@pytest.mark.parametrize(
    ("bbox", "crs", "found"),
    [
        ("179.5,62,-179.5,64", None, True),
        ("-180,62,-179.9,64", None, True),
        ("179.9,62,180,64", None, True),
        ("170,62,-179.999,64", None, True),
        ("62,179.5,64,-179.5", "EPSG:4326", True),
        ("-170,62,170,64", None, False),  # all the way round the other side
        ("-179,62,179,64", None, False),
        ("179.5,60,-179.5,61", None, False),
    ],
)
def test_across_the_date_line_items_are_found_by_what_they_cover(dateline, bbox, crs, found):
    pairs = [("bbox", bbox), *([("bbox-crs", crs)] if crs else [])]
    answer = items.items(dateline, Request(pairs), "c")
    assert answer["numberReturned"] == found


@pytest.mark.parametrize("bbox", ["179,64,-179,62", "179,62,-181,64"])
def test_boxes_that_are_none_are_refused(dateline, bbox):
    with pytest.raises(InvalidInput, match="bbox"):
        items.items(dateline, Request([("bbox", bbox)]), "c")


def test_longitudes_of_0_to_360_on_maps_and_in_other_crss(served):
    context = served(np.tile(1000 + np.arange(360), (180, 1)), "EPSG:4326", Affine(1, 0, 0, 0, -1, 90))
    for col, places in (("0", "-135.5"), ("1", "45.5")):
        png = maptiles.tile(context, Request(), "c", "WebMercatorQuad", "1", "0", col).body
        with rasterio.MemoryFile(png) as memory, memory.open(driver="PNG") as file:
            assert (file.read(file.count)[100:200] == 255).all(), places  # nothing is transparent
    asked = [("bbox", "-120,40,-100,50"), ("crs", "EPSG:3857")]
    data, _ = pixels_of(coverage.coverage(context, Request(asked), "c"))
    assert data.shape[1] >= 13
    assert 1239 <= data.min() <= 1241
    assert 1258 <= data.max() <= 1260


@pytest.fixture
def mixed(tmp_path):
    """Two records of the whole Earth: one counts longitudes from 0 to 360, the other from -180 to 180."""
    values = np.tile(np.arange(360), (180, 1))
    for name, west, content in (("a", 0, 1000 + values), ("b", -180, 2000 + (values + 180) % 360)):
        profile = {"driver": "GTiff", "count": 1, "dtype": "uint16", "crs": "EPSG:4326", "nodata": 0}
        transform = Affine(1, 0, west, 0, -1, 90)
        with rasterio.open(
            tmp_path / f"{name}.tif", "w", height=180, width=360, transform=transform, **profile
        ) as file:
            file.write(content.astype(np.uint16), 1)
    rules = json.loads(json.dumps(MAPPING))
    rules["files"][0] |= {"pattern": r"(?P<name>[ab])\.tif", "record": "{name}"}
    url = f"sqlite:///{tmp_path}/c.sqlite"
    migrate(url)
    catalogue = Catalogue(url)
    Indexer(catalogue, parse_mapping(rules)).run([tmp_path / "a.tif", tmp_path / "b.tif"])
    yield Context(catalogue=catalogue, limits=LIMITS, temporary=tmp_path, memory=MemoryGate(2**28))
    catalogue.close()


@pytest.mark.parametrize("lon", [-179.5, -105.5, -0.5, 0.5, 105.5, 179.5])
def test_files_that_count_longitudes_differently_are_all_found(mixed, lon):
    column = int(lon % 360)
    rows = series_of(
        edr.position(mixed, Request([("coords", f"POINT({lon} 44.5)"), ("f", "csv"), ("group", "record")]), "c")
    )
    assert sorted(int(row["v"]) for row in rows) == [1000 + column, 2000 + column]
    ring = f"POLYGON(({lon - 0.4} 44.1,{lon + 0.4} 44.1,{lon + 0.4} 44.9,{lon - 0.4} 44.9,{lon - 0.4} 44.1))"
    asked = [("coords", ring), ("reducer", "max"), ("f", "csv"), ("group", "record")]
    assert sorted(float(row["v_max"]) for row in series_of(edr.area(mixed, Request(asked), "c"))) == [
        1000 + column,
        2000 + column,
    ]


@pytest.mark.parametrize("first", [-180, 0])
def test_a_box_across_the_date_line_has_the_pixels_of_both_sides(served, first):
    """West greater than east (RFC 7946, 5.2), whatever the files count their longitudes from."""
    whole = np.tile(1000 + np.arange(360), (180, 1))
    context = served(whole, "EPSG:4326", Affine(1, 0, first, 0, -1, 90))
    for asked in ([("bbox", "170,0,-160,10")], [("bbox", "0,170,10,-160"), ("bbox-crs", "EPSG:4326")]):
        data, transform = pixels_of(coverage.coverage(context, Request(asked), "c"))
        assert transform.c in (170, -190)
        columns = (np.arange(170, 200) - first) % 360
        assert np.array_equal(data, whole[80:90][:, columns])


@pytest.fixture(params=["EPSG:32601", "179.8", "-180.2"])
def across(request, served):
    """20 x 20 pixels across the date line, of UTM or of degrees that count on beyond 180 or -180."""
    place = ("EPSG:32601", Affine(1000, 0, 340_000, 0, -1000, 7_000_000))
    if request.param != "EPSG:32601":
        place = ("EPSG:4326", Affine(0.02, 0, float(request.param), 0, -0.01, 63.1))
    return served(np.arange(1, 401).reshape(20, 20), *place)


@pytest.mark.parametrize("crs", ["EPSG:3832", "EPSG:32660", "EPSG:32601", "EPSG:3571"])
def test_across_the_date_line_projected_maps_that_go_on_there_are_answered(across, crs):
    box = Bounds(179.83, 62.92, 180.17, 63.09).to_crs("OGC:CRS84", crs)
    own = ",".join(map(str, box.in_axis_order(crs)))
    data, transform = pixels_of(
        coverage.coverage(across, Request([("bbox", own), ("bbox-crs", crs), ("crs", crs)]), "c")
    )
    assert np.count_nonzero(data) > 0.8 * data.size
    assert transform.a < 3000
    data, _ = pixels_of(coverage.coverage(across, Request([("bbox", own), ("bbox-crs", crs)]), "c"))
    assert np.count_nonzero(data) > 200
    ring = shapely.box(*box.as_tuple()).wkt
    asked = [("coords", ring), ("crs", crs), ("reducer", "count"), ("f", "csv")]
    (row,) = series_of(edr.area(across, Request(asked), "c"))
    assert 200 < int(row["v_count"]) <= 400


def test_across_the_date_line_pixels_in_degrees_are_as_small_as_stored(across):
    data, transform = pixels_of(coverage.coverage(across, Request([("crs", "OGC:CRS84")]), "c"))
    assert np.count_nonzero(data) > 200
    assert transform.a < 0.03
    east, _ = pixels_of(coverage.coverage(across, Request([("subset", "Lon(179.9:*)")]), "c"))
    assert 100 < np.count_nonzero(east) < 400


def test_the_map_that_ends_at_the_date_line_is_refused_with_what_to_do(across):
    asked = [("bbox", "179.8,62.9,-179.8,63.1"), ("crs", "EPSG:3857"), ("width", "30")]
    with pytest.raises(InvalidInput, match=r"^crs: the map of EPSG:3857 ends within the area; .*EPSG:3832"):
        coverage.coverage(across, Request(asked), "c")
    data, _ = pixels_of(coverage.coverage(across, Request([("bbox", "179.8,62.9,180,63.1"), *asked[1:]]), "c"))
    assert np.count_nonzero(data)
