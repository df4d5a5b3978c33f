"""Clients that others wrote show a key as docs/how-to/protect-a-server.md tells them to."""

import json

import owslib.ogcapi
import pytest
import rasterio
from owslib.ogcapi.features import Features
from owslib.util import Authentication


def ways(key):
    """The settings of GDAL that show a key."""
    return [
        {"GDAL_HTTP_HEADERS": f"Authorization: Bearer {key}"},
        {"GDAL_HTTP_HEADERS": f"X-API-Key: {key}"},
        {"GDAL_HTTP_USERPWD": f"anyone:{key}", "GDAL_HTTP_AUTH": "BASIC"},
    ]


@pytest.mark.parametrize("way", range(3), ids=["bearer", "own header", "password"])
def test_gdal_reads_items_and_coverages(guarded, gdal, way):
    items = ["ogrinfo", "-so", f"OAPIF:{guarded.url}", "s2-romania"]
    coverage = ["gdalinfo", "-json", f"OGCAPI:{guarded.url}/collections/s2-romania"]
    shown = ways(guarded.keys["forester"])[way]
    assert "Feature Count: 140" in gdal(*items, **shown)
    assert json.loads(gdal(*coverage, **shown))["size"] == [100, 100]
    for hidden in ({}, ways(guarded.keys["reader"])[way]):
        assert gdal(*items, **hidden) is None
        assert gdal(*coverage, **hidden) is None


def test_gdal_lists_what_the_key_may_read(guarded, gdal):
    command = ["ogrinfo", f"OAPIF:{guarded.url}"]
    assert "s2-romania" not in gdal(*command)
    assert "l8-paraguay" in gdal(*command)
    assert "s2-romania" in gdal(*command, **ways(guarded.keys["forester"])[0])


def test_rasterio_reads_a_coverage(guarded):
    url = f"/vsicurl_streaming/{guarded.url}/collections/s2-romania/coverage?datetime=2016-03-18&properties=B4"
    with rasterio.Env(**ways(guarded.keys["forester"])[0]), rasterio.open(url) as file:
        assert file.shape == (100, 100)
    with (
        rasterio.Env(**ways(guarded.keys["reader"])[0]),
        pytest.raises(rasterio.errors.RasterioIOError),
        rasterio.open(f"{url}&mask=none"),
    ):
        pass


def test_owslib_reads_items(guarded, monkeypatch):
    key = guarded.keys["forester"]
    assert "s2-romania" not in Features(f"{guarded.url}/").feature_collections()
    # OWSLib adds headers that one client is given to those of all clients.
    monkeypatch.setattr("owslib.ogcapi.REQUEST_HEADERS", dict(owslib.ogcapi.REQUEST_HEADERS))
    for told in (
        {"auth": Authentication(username="anyone", password=key)},
        {"headers": {"Authorization": f"Bearer {key}"}},
    ):
        client = Features(f"{guarded.url}/", **told)
        assert "s2-romania" in client.feature_collections()
        assert client.collection_items("s2-romania", limit=3)["numberReturned"] == 3
