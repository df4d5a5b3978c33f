"""A collection that pygeoapi's own file publishes stands beside ours, answered by pygeoapi's own code."""

import json

import pytest
import yaml

LAKES = {
    "type": "FeatureCollection",
    "features": [
        {"type": "Feature", "id": 1, "properties": {"name": "Ammersee"},
         "geometry": {"type": "Point", "coordinates": [11.12, 48.0]}},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory, start, request):
    folder = tmp_path_factory.mktemp("host")
    (folder / "lakes.geojson").write_text(json.dumps(LAKES))
    config = yaml.safe_load((request.config.rootpath / "pygeoapi-config.yml").read_text())
    config["resources"] = {
        "lakes": {
            "type": "collection",
            "title": "Lakes",
            "description": "Lakes",
            "keywords": ["lakes"],
            "links": [],
            "extents": {"spatial": {"bbox": [-180, -90, 180, 90]}},
            "providers": [
                {"type": "feature", "name": "GeoJSON", "data": str(folder / "lakes.geojson"), "id_field": "id"}
            ],
        }
    }
    path = folder / "config.yml"
    path.write_text(yaml.safe_dump(config))
    with start(folder / "home", "serve", "--config", str(path), "--workers", "1") as running:
        yield running


def test_it_is_listed(server):
    assert [one["id"] for one in server.json("/collections")["collections"]] == ["lakes"]


def test_it_is_on_the_landing_page_too(server):
    assert "Lakes" in server.ok("/?f=html").text


def test_its_items_are_pygeoapis(server):
    items = server.json("/collections/lakes/items", f="json")
    assert [one["properties"]["name"] for one in items["features"]] == ["Ammersee"]
    assert server.json("/collections/lakes", f="json")["title"] == "Lakes"


def test_ours_are_still_ours(server):
    assert server.refused("/collections/atlantis/coverage", status=404)
    assert server.refused("/collections", colour="red")["parameter"] == "colour"


def test_serve_listens_with_as_many_workers_as_told(server):
    assert len(server.workers()) == 1


def test_pages_of_other_sites_change_nothing_of_pygeoapi(server):
    """It asks nobody; a browser of somebody on this machine must not be made to."""
    import httpx

    elsewhere = {"Origin": "https://evil.example", "Content-Type": "text/plain"}
    for method, path in (("POST", "/processes/hello-world/execution"), ("DELETE", "/collections/lakes/items/1")):
        answer = httpx.request(method, server.url + path, headers=elsewhere, timeout=60)
        assert answer.status_code == 403
        assert answer.headers["content-type"] == "application/problem+json"
        assert "evil.example" in answer.json()["detail"]
