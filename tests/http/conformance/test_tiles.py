"""OGC API - Tiles part 1 (OGC 20-057): its abstract tests, by requirement.

The executable suite has 16 tests; those of tilesets of the whole dataset (/req/dataset-tilesets/*) ask for a class that
is not declared. Where the suite looks only at the first tileset, these look at every one.
"""

import httpx
import pytest

CLASSES = "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/"
REL = "http://www.opengis.net/def/rel/ogc/1.0/"
VARIABLES = ("{tileMatrix}", "{tileRow}", "{tileCol}")


def links(document, rel):
    return [one for one in document["links"] if one["rel"] == rel]


def address(template, matrix, row, col):
    for variable, value in zip(VARIABLES, (matrix, row, col), strict=True):
        template = template.replace(variable, str(value))
    return template


@pytest.fixture(scope="module")
def collections(demo):
    return demo.json("/collections")["collections"]


@pytest.fixture(scope="module")
def tilesets(collections):
    """The full metadata of every tileset of every collection, found by links alone."""
    found = []
    for collection in collections:
        for link in links(collection, f"{REL}tilesets-map"):
            for item in httpx.get(link["href"], timeout=60).json()["tilesets"]:
                found.append(httpx.get(links(item, "self")[0]["href"], timeout=60).json())
    assert len(found) > 10
    return found


def test_req_7_core_conformance_success(demo):
    declared = set(demo.json("/conformance")["conformsTo"])
    ours = ("core", "tileset", "tilesets-list", "geodata-tilesets", "datetime", "oas30", "png", "jpeg")
    assert {f"{CLASSES}{name}" for name in ours} <= declared
    assert f"{CLASSES}dataset-tilesets" not in declared


def test_req_1_core_tc_op(tilesets):
    """The operation of the template exists for each tileset, with a registered tile matrix set among them."""
    uris = [one["tileMatrixSetURI"] for one in tilesets]
    assert "http://www.opengis.net/def/tilematrixset/OGC/1.0/WebMercatorQuad" in uris
    for one in tilesets:
        for item in links(one, "item"):
            assert f"/map/tiles/{one['tileMatrixSetURI'].rpartition('/')[2]}/" in item["href"]


@pytest.mark.parametrize("variable", VARIABLES)
def test_req_2_to_4_core_tile_matrix_row_and_col_definition(tilesets, variable):
    for one in tilesets:
        assert links(one, "item")
        assert all(variable in item["href"] for item in links(one, "item"))


def test_req_5_core_tc_success(collections, tilesets, read_png):
    """Status 200, the media type of the link, the size of the tile matrix, and content where there is any.

    A collection's first tileset gives all dates in each format; the others give them as PNG, and one date as the rest.
    """
    newest = {one["id"]: one["extent"]["temporal"]["interval"][0][1] for one in collections}
    drawn, asked_all = 0, set()
    for one in tilesets:
        tile_set = httpx.get(links(one, f"{REL}tiling-scheme")[0]["href"]).json()
        matrices = {matrix["id"]: matrix for matrix in tile_set["tileMatrices"]}
        middle = one["tileMatrixSetLimits"][len(one["tileMatrixSetLimits"]) // 2]
        row = (middle["minTileRow"] + middle["maxTileRow"]) // 2
        col = (middle["minTileCol"] + middle["maxTileCol"]) // 2
        [name] = [name for name in newest if f"/collections/{name}/" in links(one, "item")[0]["href"]]
        for item in links(one, "item"):
            tile = address(item["href"], middle["tileMatrix"], row, col)
            if item["type"] != "image/png" and name in asked_all:
                tile += f"&datetime={newest[name]}"
            answer = httpx.get(tile, timeout=60)
            assert answer.status_code == 200, answer.text
            assert answer.headers["content-type"] == item["type"]
            if item["type"] == "image/png":
                rgba = read_png(answer.content)
                matrix = matrices[middle["tileMatrix"]]
                assert rgba.shape[1:] == (matrix["tileHeight"], matrix["tileWidth"])
                drawn += bool(rgba.any())
        asked_all.add(name)
    assert drawn > len(tilesets) / 2


def test_req_6_core_tc_error(tilesets):
    """Beyond the limits of a tileset, and beyond the tile matrix set: 404, as a problem document."""
    for one in tilesets:
        template = next(item["href"] for item in links(one, "item") if item["type"] == "image/png")
        last = one["tileMatrixSetLimits"][-1]
        beyond = [
            ("99", 0, 0),
            (last["tileMatrix"], last["maxTileRow"] + 1, last["minTileCol"]),
            (last["tileMatrix"], last["maxTileRow"], last["minTileCol"] - 1),
            (last["tileMatrix"], 999_999_999, last["minTileCol"]),
        ]
        for place in beyond:
            answer = httpx.get(address(template, *place), timeout=60)
            assert answer.status_code in (400, 404), (place, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"


def test_req_8_tileset_description(tilesets):
    for one in tilesets:
        assert one["dataType"] == "map"
        assert one["crs"].startswith("http://www.opengis.net/def/crs/")
        [scheme] = links(one, f"{REL}tiling-scheme")
        tile_set = httpx.get(scheme["href"]).json()
        assert tile_set["crs"]
        assert all(item["templated"] is True and item["type"] for item in links(one, "item"))
        registered = tile_set.get("uri")
        assert one["tileMatrixSetURI"] == (registered or scheme["href"])
        known = {matrix["id"]: matrix for matrix in tile_set["tileMatrices"]}
        for limits in one["tileMatrixSetLimits"]:
            matrix = known[limits["tileMatrix"]]
            assert 0 <= limits["minTileRow"] <= limits["maxTileRow"] < matrix["matrixHeight"]
            assert 0 <= limits["minTileCol"] <= limits["maxTileCol"] < matrix["matrixWidth"]
        assert one["centerPoint"]["tileMatrix"] in {limits["tileMatrix"] for limits in one["tileMatrixSetLimits"]}


def test_req_9_tilesets_list_tileset_path(collections):
    for collection in collections:
        for link in links(collection, f"{REL}tilesets-map"):
            assert "/tiles" in link["href"]


def test_req_10_tilesets_list_tileset_links(collections):
    for collection in collections:
        document = httpx.get(links(collection, f"{REL}tilesets-map")[0]["href"], timeout=60).json()
        assert document["tilesets"]
        for one in document["tilesets"]:
            assert {"title", "dataType", "crs", "tileMatrixSetURI", "links"} <= one.keys()
            assert links(one, "self")[0]["type"] == "application/json"
            assert links(one, f"{REL}tiling-scheme")


def test_req_13_geodata_tilesets_desc_links(collections):
    for collection in collections:
        assert links(collection, f"{REL}tilesets-map")


def test_req_14_geodata_tilesets_operation(demo, collections):
    for collection in collections:
        listed = demo.json(f"/collections/{collection['id']}/map/tiles")["tilesets"]
        assert listed == httpx.get(links(collection, f"{REL}tilesets-map")[0]["href"], timeout=60).json()["tilesets"]


def test_req_22_oas30_completeness(demo):
    tile = "/collections/{collectionId}/map/tiles/{tileMatrixSetId}/{tileMatrix}/{tileRow}/{tileCol}"
    operation = demo.json("/openapi")["paths"][tile]["get"]
    assert {"200", "400", "404"} <= operation["responses"].keys()
    required = {one["name"] for one in operation["parameters"] if one["in"] == "path" and one["required"]}
    assert required >= {"collectionId", "tileMatrixSetId", "tileMatrix", "tileRow", "tileCol"}


def test_req_23_oas30_operation_id(demo):
    """The ends of table 11, also those of OGC API - Maps (OGC 20-058, /req/api-operations/operation-id)."""
    paths = demo.json("/openapi")["paths"]
    operations = {path: one["get"]["operationId"] for path, one in paths.items() if "get" in one}
    where = "/collections/{collectionId}"
    tiles, tile = "/map/tiles", "/map/tiles/{tileMatrixSetId}/{tileMatrix}/{tileRow}/{tileCol}"
    for below, kind in ((where, ".collection"), (f"{where}/styles/{{styleId}}", ".collection.style")):
        assert operations[f"{below}{tile}"].endswith(f"{kind}.map.getTile")
        assert operations[f"{below}{tiles}"].endswith(f"{kind}.map.getTileSetsList")
        assert operations[f"{below}{tiles}/{{tileMatrixSetId}}"].endswith(f"{kind}.map.getTileSet")
        assert operations[f"{below}/map"].endswith(f"{kind}.getMap")


def test_tile_matrix_sets_are_listed_and_defined(demo):
    """OGC 17-083r4, tilematrixset, by the landing page's link."""
    [link] = links(demo.json("/"), f"{REL}tiling-schemes")
    for one in httpx.get(link["href"]).json()["tileMatrixSets"]:
        document = httpx.get(links(one, "self")[0]["href"]).json()
        assert document["id"] == one["id"]
        assert document.get("uri") == one.get("uri")
        assert document["tileMatrices"]
    assert demo.refused("/tileMatrixSets/Nope", status=404)
    assert demo.refused("/tileMatrixSets/CDB1GlobalGrid", status=404)
    assert demo.refused("/collections/s2-romania/map/tiles/Nope", status=404)
    assert demo.refused("/collections/s2-romania/map/tiles/NZTM2000Quad", status=404)  # nothing lies there
