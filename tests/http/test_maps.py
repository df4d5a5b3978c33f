"""`/map`, tiles in other tile matrix sets, styles: judged by rasterio, numpy and OWSLib."""

import io
import json
import sqlite3

import numpy as np
import pytest
import rasterio
from affine import Affine
from owslib.ogcapi.maps import Maps

from prismcube.model.grid import Grid
from tests.judge import warped_file

L8, S2 = "/collections/l8-paraguay", "/collections/s2-romania"
DAY = "2016-03-18"
BANDS = [("B4", 6000, 8800), ("B3", 6650, 8350), ("B2", 7400, 8600)]
NEAR = 0.51 + 255 / 1200
"""Half a shade, and one count of the narrowest stretch: as far as two warpers may be apart."""


def warped(path, band, crs, transform, shape, resampling="bilinear"):
    return warped_file(path, band, Grid(crs, transform, *shape), resampling, 0)


def paraguay(files, crs, transform, shape):
    """Both scenes of the demo, the later one on top, stretched as examples/l8-paraguay.yml says."""
    rgba, visible = np.zeros((4, *shape)), np.ones(shape, bool)
    for channel, (band, low, high) in enumerate(BANDS):
        mosaic = np.zeros(shape, np.uint16)
        for scene in ("077", "078"):
            layer = warped(files[scene, band], 1, crs, transform, shape)
            mosaic = np.where(layer != 0, layer, mosaic)
        rgba[channel] = ((mosaic.astype(float) - low) / (high - low) * 255).clip(0, 255)
        visible &= mosaic != 0
    rgba[3] = visible * 255
    rgba[:3, ~visible] = 0
    return rgba


def matrix_of(server, tms, level):
    document = server.json(f"/tileMatrixSets/{tms}")
    return next(one for one in document["tileMatrices"] if one["id"] == str(level))


def middle_tile(server, collection, tms, level):
    limits = server.json(f"{collection}/map/tiles/{tms}")["tileMatrixSetLimits"]
    one = next(one for one in limits if one["tileMatrix"] == str(level))
    return (one["minTileRow"] + one["maxTileRow"]) // 2, (one["minTileCol"] + one["maxTileCol"]) // 2


@pytest.mark.parametrize(
    ("tms", "crs", "level", "north_first"),
    [
        ("WorldCRS84Quad", "OGC:CRS84", 9, False),
        ("WGS1984Quad", "EPSG:4326", 10, True),
        ("WorldMercatorWGS84Quad", "EPSG:3395", 10, False),
        ("UPSAntarcticWGS84Quad", "EPSG:5042", 9, False),
    ],
)
def test_a_tile_of_another_set_equals_the_warped_mosaic(demo, read_png, paraguay_files, tms, crs, level, north_first):
    matrix = matrix_of(demo, tms, level)
    row, col = middle_tile(demo, L8, tms, level)
    x, y = reversed(matrix["pointOfOrigin"]) if north_first else matrix["pointOfOrigin"]
    cell, side = matrix["cellSize"], matrix["tileWidth"]
    transform = Affine(cell, 0, x + col * side * cell, 0, -cell, y - row * side * cell)
    rgba = read_png(demo.ok(f"{L8}/map/tiles/{tms}/{level}/{row}/{col}").content)
    expected = paraguay(paraguay_files, crs, transform, (side, side))
    assert expected[3].mean() > 50
    assert np.abs(rgba - expected).max() <= NEAR


def test_a_tile_of_the_european_set_equals_the_warped_file(demo, read_png, romania_files):
    matrix = matrix_of(demo, "EuropeanETRS89_LAEAQuad", 11)
    row, col = middle_tile(demo, S2, "EuropeanETRS89_LAEAQuad", 11)
    y, x = matrix["pointOfOrigin"]  # EPSG:3035 has its northing first
    step = 256 * matrix["cellSize"]
    transform = Affine(matrix["cellSize"], 0, x + col * step, 0, -matrix["cellSize"], y - row * step)
    rgba = read_png(demo.ok(f"{S2}/map/tiles/EuropeanETRS89_LAEAQuad/11/{row}/{col}?datetime={DAY}").content)
    path = next(p for p in romania_files if p.stem == "S2_20160318")
    # 8.58 m: finer than the file's 10 m, so its pixels are shown as they are
    red = warped(path, 3, "EPSG:3035", transform, (256, 256), "nearest")
    assert (red != 0).mean() > 0.02
    assert np.abs(rgba[0] - (red / 1000 * 255).clip(0, 255)).max() <= NEAR


@pytest.fixture(scope="module")
def own_set():
    """Rows from below, 300 x 200 pixels of 120 m."""
    return {
        "id": "OwnUTM21",
        "title": "Of our own",
        "crs": "http://www.opengis.net/def/crs/EPSG/0/32621",
        "tileMatrices": [
            {"id": "7", "scaleDenominator": 428571.428571, "cellSize": 120.0, "cornerOfOrigin": "bottomLeft",
             "pointOfOrigin": [700_000, -2_830_000], "tileWidth": 300, "tileHeight": 200, "matrixWidth": 3,
             "matrixHeight": 3},
        ],
    }  # fmt: skip


@pytest.fixture(scope="module")
def own_server(demo, start, own_set, tmp_path_factory):
    """The demo's catalogue, served with a tile matrix set of one's own."""
    home, folder = tmp_path_factory.mktemp("own"), tmp_path_factory.mktemp("sets")
    (folder / "own.json").write_text(json.dumps(own_set))
    source, copy = sqlite3.connect(demo.home / "catalogue.sqlite"), sqlite3.connect(home / "catalogue.sqlite")
    source.backup(copy)
    source.close()
    copy.close()
    with start(home, "serve", "--workers", "1", TILES__MATRIX_SETS=str(folder)) as server:
        yield server


def test_a_tile_of_ones_own_set(own_server, read_png, paraguay_files):
    assert "OwnUTM21" in [one["id"] for one in own_server.json("/tileMatrixSets")["tileMatrixSets"]]
    tileset = own_server.json(f"{L8}/map/tiles/OwnUTM21")
    assert tileset["tileMatrixSetURI"] == f"{own_server.url}/tileMatrixSets/OwnUTM21"
    rgba = read_png(own_server.ok(f"{L8}/map/tiles/OwnUTM21/7/1/1").content)
    transform = Affine(120, 0, 700_000 + 36_000, 0, -120, -2_830_000 + 2 * 24_000)
    expected = paraguay(paraguay_files, "EPSG:32621", transform, (200, 300))
    assert expected[3].mean() > 50
    assert np.abs(rgba - expected).max() <= NEAR


BOX = (-54.75, -25.30, -54.65, -25.22)


def box_transform(width, height):
    west, south, east, north = BOX
    return Affine((east - west) / width, 0, west, 0, (south - north) / height, north)


def map_of(demo, read_png, path=f"{L8}/map", **params):
    return read_png(demo.ok(path, **params).content)


def test_a_map_equals_the_warped_mosaic(demo, read_png, paraguay_files):
    answer = demo.ok(f"{L8}/map", bbox=",".join(map(str, BOX)), crs="OGC:CRS84", width=200, height=160)
    assert answer.headers["content-crs"] == "<http://www.opengis.net/def/crs/OGC/1.3/CRS84>"
    assert answer.headers["content-bbox"] == "-54.75,-25.3,-54.65,-25.22"
    assert answer.headers["content-datetime"].startswith("2020-")
    assert answer.headers["cache-control"] == "public, max-age=300"
    expected = paraguay(paraguay_files, "OGC:CRS84", box_transform(200, 160), (160, 200))
    assert expected[3].any()
    assert np.abs(read_png(answer.content) - expected).max() <= NEAR


@pytest.mark.parametrize(
    "area",
    [
        {"bbox": "-25.30,-54.75,-25.22,-54.65", "bbox_crs": "EPSG:4326"},
        {"subset": "Lon(-54.75:-54.65),Lat(-25.30:-25.22)"},
        {"subset": "N(-25.30:-25.22),E(-54.75:-54.65)", "subset_crs": "OGC:CRS84"},
    ],
)
def test_other_ways_to_say_the_area(demo, read_png, area):
    plain = map_of(demo, read_png, bbox=",".join(map(str, BOX)), crs="OGC:CRS84", width=100, height=80)
    assert plain.any()
    assert np.array_equal(plain, map_of(demo, read_png, crs="OGC:CRS84", width=100, height=80, **area))


def test_center_and_scale(demo):
    """1:100,000 on pixels of 0.28 mm: 28 m each on the ground."""
    answer = demo.ok(f"{L8}/map", center="-54.70,-25.26", scale_denominator=100_000, width=100, height=50)
    west, south, east, north = map(float, answer.headers["content-bbox"].split(","))
    # UTM's own scale here, 3.3 degrees from its meridian, is about 1 + 3.5e-4
    assert (east - west, north - south) == pytest.approx((2800, 1400), rel=2e-3)
    x, y = rasterio.warp.transform("OGC:CRS84", "EPSG:32621", [-54.70], [-25.26])
    assert ((west + east) / 2, (south + north) / 2) == pytest.approx((x[0], y[0]), abs=0.01)
    other = demo.ok(f"{L8}/map", center="-25.26,-54.70", center_crs="EPSG:4326", scale_denominator=100_000, width=100,
                    height=50)  # fmt: skip
    assert other.content == answer.content


def test_scale_of_an_area_gives_its_size(demo, read_png):
    rgba = map_of(demo, read_png, bbox=",".join(map(str, BOX)), crs="OGC:CRS84", scale_denominator=200_000)
    # 0.1 by 0.08 degrees at 25.26 S: about 10.08 by 8.86 km, in pixels of 56 m
    assert rgba.shape[1:] == (pytest.approx(158, abs=1), pytest.approx(180, abs=1))


def test_sizes_follow_the_ground(demo, read_png):
    assert map_of(demo, read_png, width=300).shape[2] == 300
    tall = map_of(demo, read_png, bbox=",".join(map(str, BOX)), crs="OGC:CRS84", width=180)
    assert tall.shape[1:] == (pytest.approx(158, abs=1), 180)
    by_height = map_of(demo, read_png, bbox=",".join(map(str, BOX)), crs="OGC:CRS84", height=158)
    assert by_height.shape[1:] == (158, pytest.approx(180, abs=1))
    assert map_of(demo, read_png, f"{S2}/map", datetime=DAY).shape == (4, 100, 100)
    assert max(map_of(demo, read_png).shape) == 1024


def test_time(demo, read_png):
    one = map_of(demo, read_png, f"{S2}/map", datetime=DAY)
    assert np.array_equal(one, map_of(demo, read_png, f"{S2}/map", subset=f'datetime("{DAY}")'))
    assert not np.array_equal(one, map_of(demo, read_png, f"{S2}/map", datetime="2015-08-31"))
    answer = demo.ok(f"{S2}/map", datetime="2016-03")
    assert answer.headers["content-datetime"].startswith("2016-03-")
    assert not map_of(demo, read_png, f"{S2}/map", datetime="1999").any()


def test_fields_mask_mosaic_and_resampling(demo, read_png, romania_files):
    path = next(p for p in romania_files if p.stem == "S2_20160318")
    with rasterio.open(path) as file:
        nir = file.read(4)
        b8 = demo.json(f"{S2}")["parameter_names"]["B8"]["prismcube:range"]
    grey = map_of(demo, read_png, f"{S2}/map", datetime=DAY, properties="B8")
    assert np.abs(grey[0] - ((nir - b8[0]) / (b8[1] - b8[0]) * 255).clip(0, 255)).max() <= NEAR
    assert np.array_equal(grey[0], grey[1])
    plain = map_of(demo, read_png, f"{S2}/map", datetime=DAY, mask="none")
    masked = map_of(demo, read_png, f"{S2}/map", datetime=DAY, mask="clear")
    assert masked[3].sum() != plain[3].sum() or not np.array_equal(plain, masked)
    year = {"datetime": "2016", "properties": "B8", "mask": "none"}
    low, high = (map_of(demo, read_png, f"{S2}/map", mosaic=rule, **year)[0].astype(int) for rule in ("min", "max"))
    assert (low <= high).all()
    assert (low < high).any()
    sizes = {"datetime": DAY, "width": 37, "height": 41}
    assert not np.array_equal(
        map_of(demo, read_png, f"{S2}/map", resampling="nearest", **sizes),
        map_of(demo, read_png, f"{S2}/map", resampling="cubic", **sizes),
    )


def test_background(demo, read_png):
    ask = {"width": 200, "height": 130}
    clear = map_of(demo, read_png, **ask)
    empty = clear[3] == 0
    assert empty.any()
    for params, colour in [
        ({"transparent": "false"}, (255, 255, 255)),
        ({"bgcolor": "0x102030"}, (16, 32, 48)),
        ({"bgcolor": "Navy"}, (0, 0, 128)),
    ]:
        shown = map_of(demo, read_png, **ask, **params)
        assert (shown[3] == 255).all()
        assert (shown[:3, empty] == np.array(colour)[:, None]).all()
        assert np.array_equal(shown[:3, ~empty], clear[:3, ~empty])
    assert np.array_equal(map_of(demo, read_png, **ask, bgcolor="red", transparent="true"), clear)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_jpeg_and_webp(demo, read_png):
    ask = {"crs": "OGC:CRS84", "width": 200, "height": 160}  # all of it, with its blank corners
    exact = map_of(demo, read_png, **ask, bgcolor="white")
    clear = map_of(demo, read_png, **ask)
    for f, bands in (("jpeg", 3), ("webp", 4)):
        answer = demo.ok(f"{L8}/map", f=f, **ask)
        assert answer.headers["content-type"] == f"image/{f}"
        assert demo.ok(f"{L8}/map", f=f"image/{f}", **ask).content == answer.content
        with rasterio.open(io.BytesIO(answer.content)) as file:
            found = file.read()
        assert found.shape == (bands, 160, 200)
        seen = clear[3] == 255
        assert np.abs(found[:3, seen].astype(int) - exact[:3, seen]).mean() < 10
        if f == "webp":
            assert np.array_equal(found[3], clear[3])
        else:
            assert found[:, clear[3] == 0].mean() > 250  # white, as JPEG has no transparency


def test_styles(demo, read_png):
    styles = demo.json(f"{S2}/styles")
    names = [one["id"] for one in styles["styles"]]
    assert names[0] == styles["default"] == "default"
    assert {"B8", "ndvi"} <= set(names)
    assert "SCL" not in names or demo.ok(f"{S2}/styles/SCL")
    for name in names:
        assert demo.json(f"{S2}/styles/{name}")["id"] == name
    ask = {"datetime": DAY}
    assert demo.ok(f"{S2}/styles/default/map", **ask).content == demo.ok(f"{S2}/map", **ask).content
    one = map_of(demo, read_png, f"{S2}/styles/ndvi/map", **ask)
    assert np.array_equal(one, map_of(demo, read_png, f"{S2}/map", properties="ndvi", **ask))
    row, col = middle_tile(demo, S2, "WebMercatorQuad", 15)
    tile = f"map/tiles/WebMercatorQuad/15/{row}/{col}"
    plain = demo.ok(f"{S2}/{tile}", properties="ndvi", **ask)
    assert demo.ok(f"{S2}/styles/ndvi/{tile}", **ask).content == plain.content
    assert demo.json(f"{S2}/styles/ndvi/map/tiles/WebMercatorQuad")["style"]["id"] == "ndvi"
    demo.refused(f"{S2}/styles/nope", status=404)
    demo.refused(f"{S2}/styles/nope/map", status=404)
    demo.refused(f"{S2}/styles/ndvi/map?properties=B8")


def test_a_style_of_the_catalogue_draws_through_its_palette(own_server, read_png):
    import httpx

    points = [{"value": 0, "r": 255, "g": 0, "b": 0}, {"value": 1, "r": 0, "g": 0, "b": 255, "a": 128}]
    style = {"name": "heat", "kind": "palette", "palette": "hot", "channels": [{"field": "ndvi", "low": 0, "high": 1}]}
    for kind, document in (("palettes", {"name": "hot", "points": points}), ("styles", style)):
        made = httpx.post(f"{own_server.url}/catalogue/{kind}", json=document)
        assert made.status_code == 201, made.text
    assert "heat" in [one["id"] for one in own_server.json(f"{S2}/styles")["styles"]]
    assert "heat" not in [one["id"] for one in own_server.json(f"{L8}/styles")["styles"]]
    rgba = read_png(own_server.ok(f"{S2}/styles/heat/map", datetime=DAY, mask="none").content).astype(float)
    with (
        rasterio.MemoryFile(
            own_server.ok(f"{S2}/coverage", datetime=DAY, mask="none", properties="ndvi").content
        ) as memory,
        memory.open() as file,
    ):
        ndvi = file.read(1)
    unit = np.clip(ndvi, 0, 1)
    expected = np.stack([255 * (1 - unit), 0 * unit, 255 * unit, 255 - 127 * unit])
    assert np.isfinite(ndvi).all()
    assert np.abs(rgba - expected).max() <= 1.01  # 256 colours, each rounded


def test_tilejson(demo):
    answer = demo.ok(f"{S2}/map/tiles/WebMercatorQuad", f="tilejson")
    document = answer.json()
    assert document["tilejson"] == "3.0.0"
    assert document["bounds"] == demo.json(S2)["extent"]["spatial"]["bbox"][0]
    row, col = middle_tile(demo, S2, "WebMercatorQuad", 14)
    template = document["tiles"][0].removeprefix(demo.url)
    assert demo.ok(template.format(z=14, y=row, x=col)).headers["content-type"] == "image/png"
    demo.refused(f"{S2}/map/tiles/WorldCRS84Quad?f=tilejson")


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("bbox=1,2,3", "bbox"), ("bbox=5,5,1,1", "bbox"), ("bbox=0,0,1,1&center=0,0", "center"),
        ("bbox=0,0,1,1&subset=Lon(0:1)", "subset"), ("center=0", "center"), ("center=a,b", "center"),
        ("center=1e300,0", "center"), ("width=0", "width"), ("height=x", "height"),
        ("scale-denominator=0", "scale-denominator"),
        ("bbox=0,0,1,1&width=5&scale-denominator=5", "scale-denominator"), ("bgcolor=nocolour", "bgcolor"),
        ("transparent=maybe", "transparent"), ("f=jpeg&transparent=true", "transparent"), ("mosaic=count", "mosaic"),
        ("f=jpeg&width=65501&height=1", "f"), ("subset=Lon(1)", "subset"), ("subset=depth(1)", "subset"),
        ('subset=time("2016")&datetime=2016', "subset"), ("crs=EPSG:0", "crs"), ("properties=B4,B3", "properties"),
        ("properties=nope", "properties"), ("resampling=no", "resampling"), ("mask=no", "mask"), ("colour=1", "colour"),
        ("bbox-crs=no", "bbox-crs"), ("center-crs=no", "center-crs"), ("subset-crs=no", "subset-crs"),
    ],
)  # fmt: skip
def test_refusals(demo, query, parameter):
    assert demo.refused(f"{L8}/map?{query}")["parameter"] == parameter


def test_a_map_too_large_is_refused_before_it_is_made(demo):
    problem = demo.refused(f"{S2}/map?width=60000&height=60000", status=413)
    assert "would fit" in problem["detail"]


def test_beside_the_data_a_map_is_blank(demo, read_png):
    assert not map_of(demo, read_png, bbox="0,0,1,1", width=20, height=20).any()


def test_the_whole_world_in_one_map(demo, read_png):
    rgba = map_of(demo, read_png, bbox="-180,-90,180,90", crs="OGC:CRS84", width=720)
    assert rgba[3].any()
    assert rgba[3].mean() < 1


def test_owslib(demo, read_png):
    client = Maps(f"{demo.url}/")
    assert client.maps() == ["l8-paraguay", "s2-romania"]
    picture = client.map("l8-paraguay", bbox=list(BOX), width=200, height=160, transparent=True).read()
    ours = demo.ok(f"{L8}/map", bbox=",".join(map(str, BOX)), width=200, height=160).content
    assert picture == ours
    styled = client.map("s2-romania", style="ndvi", datetime_=DAY, width=50, height=50).read()
    assert read_png(styled).shape == (4, 50, 50)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_gdal_reads_the_tiles(demo, gdal, read_png, tmp_path):
    """By its driver for tile services: four tiles of level 12, put together, are what we answer."""
    world, n = 20037508.342789244, 2**12
    row, col = middle_tile(demo, L8, "WebMercatorQuad", 12)
    (tmp_path / "tiles.xml").write_text(
        f"""<GDAL_WMS><Service name="TMS">
        <ServerUrl>{demo.url}{L8}/map/tiles/WebMercatorQuad/${{z}}/${{y}}/${{x}}</ServerUrl></Service>
        <DataWindow><UpperLeftX>-{world}</UpperLeftX><UpperLeftY>{world}</UpperLeftY><LowerRightX>{world}</LowerRightX>
        <LowerRightY>-{world}</LowerRightY><TileLevel>12</TileLevel><TileCountX>1</TileCountX>
        <TileCountY>1</TileCountY><YOrigin>top</YOrigin></DataWindow><Projection>EPSG:3857</Projection>
        <BlockSizeX>256</BlockSizeX><BlockSizeY>256</BlockSizeY><BandsCount>4</BandsCount></GDAL_WMS>"""
    )
    window = ["-srcwin", str(col * 256), str(row * 256), "512", "512"]
    assert gdal("gdal_translate", "-q", *window, tmp_path / "tiles.xml", tmp_path / "out.tif") is not None
    with rasterio.open(tmp_path / "out.tif") as file:
        found, left = file.read(), file.transform.c
    assert left == pytest.approx(-world + col * 2 * world / n)
    for down in (0, 1):
        for across in (0, 1):
            tile = read_png(demo.ok(f"{L8}/map/tiles/WebMercatorQuad/12/{row + down}/{col + across}").content)
            there = found[:, down * 256 : (down + 1) * 256, across * 256 : (across + 1) * 256]
            assert tile[3].any()
            assert np.array_equal(there, tile)
