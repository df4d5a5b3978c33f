"""GDAL's OAPIF driver against the running demo: the programs of gdal-bin, whose code nobody here wrote."""

import json

import pytest
from shapely.geometry import shape


@pytest.fixture
def ogr(gdal, demo, tmp_path):
    """Runs `ogr2ogr`, from OAPIF to GeoJSON; gives the features."""

    def read(layer, *options, **open_options):
        output = tmp_path / f"{len(list(tmp_path.iterdir()))}.geojson"
        told = [part for name, value in open_options.items() for part in ("-oo", f"{name}={value}")]
        assert gdal("ogr2ogr", "-f", "GeoJSON", *told, *options, output, f"OAPIF:{demo.url}", layer) is not None
        return json.loads(output.read_text())

    return read


def test_it_lists_the_collections_with_their_type_and_extent(gdal, demo):
    told = gdal("ogrinfo", "-so", f"OAPIF:{demo.url}", "s2-romania")
    assert "Feature Count: 140" in told
    assert "Geometry: Polygon" in told
    assert "WGS 84" in told
    assert "Extent: (22.14" in told
    for field in ("name: String", "datetime: DateTime", "constellation: String"):
        assert field in told


def test_it_reads_every_page(ogr, demo):
    features = ogr("s2-romania", PAGE_SIZE=50)["features"]
    assert len(features) == 140
    assert len({one["properties"]["name"] for one in features}) == 140
    ours = demo.json("/collections/s2-romania/items", limit=1)["features"][0]
    [theirs] = [one for one in features if one["properties"]["name"] == "S2_20150801"]
    assert shape(theirs["geometry"]).equals_exact(shape(ours["geometry"]), 1e-6)
    assert theirs["properties"]["constellation"] == "sentinel-2"


def test_its_spatial_filter(ogr):
    both = ogr("l8-paraguay")["features"]
    assert len(both) == 2
    [one] = ogr("l8-paraguay", "-spat", "-54.6", "-25.1", "-54.5", "-25.09")["features"]
    assert one["properties"]["name"] in {two["properties"]["name"] for two in both}
    assert ogr("l8-paraguay", "-spat", "0", "0", "1", "1")["features"] == []


def test_its_attribute_filter(ogr):
    features = ogr("s2-romania", "-where", "datetime >= '2020/01/01 00:00:00' AND datetime < '2020/02/10 00:00:00'")
    assert {one["properties"]["name"][:7] for one in features["features"]} == {"S2_2020"}
    [one] = ogr("s2-romania", "-where", "name = 'S2_20160318'")["features"]
    assert one["properties"]["datetime"].startswith("2016")
