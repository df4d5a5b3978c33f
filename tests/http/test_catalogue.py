"""`/catalogue`: every entity is made, read, changed, listed and deleted under the same rules, on both databases."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import pytest
import rasterio
from affine import Affine

from providers.catalogue.resources import RESOURCES
from server.examples_catalogue import CatalogueExamples
from server.openapi_catalogue import catalogue_paths

SQUARE = {"type": "Polygon", "coordinates": [[[10, 50], [11, 50], [11, 51], [10, 51], [10, 50]]]}
VARIABLE = {"name": "v", "bands": ["a", "b"], "format": {"dtype": "uint8", "nodata": 0}, "unit": "1"}
PALETTE = {"name": "p", "points": [{"value": 0, "r": 0, "g": 0, "b": 0}, {"value": 1, "r": 9, "g": 9, "b": 9}]}
REGULAR = {"kind": "regular", "crs": "EPSG:32632", "resolution": 10, "cell_width": 1024, "cell_height": 1024}
FORMAT = {"dtype": "uint8", "minimum": 0, "maximum": 255}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request, start, tmp_path_factory):
    """An empty server; tests make what they need under names of their own."""
    home = tmp_path_factory.mktemp("home")
    settings = {}
    if request.param == "postgresql":
        settings = {"CATALOGUE__URL": request.getfixturevalue("postgresql").empty()}
    with start(home, "serve", "--workers", "2", **settings) as running:
        yield running


class Client:
    def __init__(self, url):
        self.url = f"{url}/catalogue"

    def __call__(self, method, path, document=None, status=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = httpx.request(method, self.url + path, json=document, headers=headers, timeout=60)
        if status is not None:
            assert answer.status_code == status, (answer.status_code, answer.text)
        return answer

    def make(self, kind, document):
        return self("POST", f"/{kind}", document, status=201).json()


@pytest.fixture
def client(server):
    return Client(server.url)


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """Writes a two-band image of that name."""
    folder = tmp_path_factory.mktemp("images")

    def write(name, *, x=500_000):
        path = folder / name
        profile = {"driver": "GTiff", "width": 8, "height": 8, "count": 2, "dtype": "uint8", "nodata": 0}
        transform = Affine(10, 0, x, 0, -10, 5_500_000)
        with rasterio.open(path, "w", crs="EPSG:32632", transform=transform, **profile) as file:
            file.write(np.ones((2, 8, 8), dtype="uint8"))
        return str(path)

    return write


@pytest.fixture
def examples(client, image, request):
    """A document for a new entity of each kind, and a change of one that is stored."""
    name = f"{abs(hash(request.node.name)):x}-{time.monotonic_ns()}"
    made = {}

    def id_of(kind):
        if kind not in made:
            made[kind] = client.make(kind, documents[kind][0]())["id"]
        return made[kind]

    documents = {
        "aois": (lambda: {"geometry": _moved(time.monotonic_ns() % 10**9 / 1e8)}, None),
        "records": (lambda: {"name": name, "time": "2020-01-01T00:00:00Z", "tags": {"k": "v"}}, {"tags": {"k": "w"}}),
        "variables": (lambda: {**VARIABLE, "name": name}, {"unit": "m"}),
        "instances": (
            lambda: {"variable": id_of("variables"), "name": f"{time.monotonic_ns()}"},
            {"metadata": {"a": "b"}},
        ),
        "containers": (lambda: {"uri": image(f"{name}.tif")}, {"storage_class": "cold"}),
        "datasets": (
            lambda: {
                "record": id_of("records"),
                "instance": id_of("instances"),
                "uri": image(f"{name} d.tif"),
                "bands": [1, 2],
            },
            {"status": "inactive", "mapping": {"imax": 2}},
        ),
        "palettes": (lambda: {**PALETTE, "name": name}, {"points": [*PALETTE["points"][:1], _point(1, 200)]}),
        "styles": (
            lambda: {"name": name, "kind": "palette", "palette": "grey", "channels": [_channel("f")]},
            {"title": "t"},
        ),
        "layouts": (lambda: {"name": name, "grid": REGULAR, "max_records": 10}, {"max_records": 20}),
        "grids": (lambda: {"name": name, "cells": _cells("a", "b")}, {"description": "d"}),
        "collections": (
            lambda: {"name": name, "fields": [{"name": "f", "instance": id_of("instances"), "band": "a"}]},
            {"title": "t", "record_tags": {"k": "v*"}},
        ),
    }
    return documents


def _moved(by):
    return {"type": "Polygon", "coordinates": [[[x + by, y] for x, y in SQUARE["coordinates"][0]]]}


def _point(value, grey):
    return {"value": value, "r": grey, "g": grey, "b": grey}


def _channel(field):
    return {"field": field, "low": 0, "high": 1}


def _cells(*names):
    features = [
        {"type": "Feature", "properties": {"id": name, "crs": "EPSG:32632"}, "geometry": _moved(i)}
        for i, name in enumerate(names)
    ]
    return {"type": "FeatureCollection", "features": features}


def _features(*features):
    return {"type": "FeatureCollection", "features": list(features)}


def _grid(**changes):
    return {**REGULAR, **changes}


def _computed(minimum, maximum):
    return {"name": "g", "expression": "1", "minimum": minimum, "maximum": maximum}


def _contains(document, part):
    """True when the document has all members of the part, in objects within it too."""
    if isinstance(part, dict):
        return isinstance(document, dict) and all(_contains(document.get(key), value) for key, value in part.items())
    if isinstance(part, list):
        return len(document) == len(part) and all(map(_contains, document, part))
    return document == part


KINDS = sorted(set(RESOURCES) - {"consolidation-params"})


@pytest.mark.parametrize("kind", KINDS)
def test_made_read_changed_listed_deleted(client, examples, kind):
    new, change = examples[kind]
    wanted = new()
    answer = client("POST", f"/{kind}", wanted, status=201)
    stored, tag = answer.json(), answer.headers["etag"]
    location = answer.headers["location"]
    assert location.endswith(f"/catalogue/{kind}/{stored['id']}")
    own = f"/{kind}/{stored['id']}"
    compared = {key: value for key, value in wanted.items() if key not in ("uri", "cells", "geometry")}
    assert _contains(stored, compared)
    read = client("GET", own, status=200)
    assert (read.json(), read.headers["etag"]) == (stored, tag)
    client("GET", own, status=304, If_None_Match=tag)
    again = client("POST", f"/{kind}", wanted, status=409).json()  # there is one of that name, URI or geometry
    assert again["status"] == 409
    assert again["detail"]
    assert stored["id"] in [one["id"] for one in _every(client, kind)]
    if change is None:
        client("PUT", own, wanted, status=405)
        client("PATCH", own, wanted, status=405)
    else:
        changed = client("PATCH", own, change, status=200, If_Match=tag)
        assert changed.headers["etag"] != tag
        assert _contains(changed.json(), change)
        stale = client("PATCH", own, change, status=412, If_Match=tag)
        assert "changed since" in stale.json()["detail"]
        client("DELETE", own, status=412, If_Match=tag)
        whole = {key: value for key, value in changed.json().items() if key in RESOURCES[kind].model.model_fields}
        client("PUT", own, whole, status=200, If_Match="*")
        assert client("GET", own, status=200).json() == changed.json()
        tag = changed.headers["etag"]
    client("DELETE", own, status=204, If_Match=tag)
    client("GET", own, status=404)
    client("DELETE", own, status=404)


def _every(client, kind, limit=2, **filters):
    found, path = [], f"/{kind}?limit={limit}"
    while path:
        page = client("GET", path, status=200).json()
        assert len(page["entities"]) <= limit
        found += page["entities"]
        following = [one["href"] for one in page["links"] if one["rel"] == "next"]
        path = following[0].partition("/catalogue")[2] if following else ""
    return found


def test_consolidation_settings_hang_on_their_variable(client, examples):
    variable = client.make("variables", examples["variables"][0]())["id"]
    own = f"/consolidation-params/{variable}"
    client("GET", own, status=404)
    client("POST", "/consolidation-params", {"format": FORMAT}, status=405)
    made = client("PUT", own, {"format": FORMAT}, status=201)
    assert made.json()["compression"] == "lossless"
    changed = client("PATCH", own, {"compression": "lossy"}, status=200, If_Match=made.headers["etag"])
    assert changed.json()["compression"] == "lossy"
    client("PUT", own, {"format": FORMAT}, status=412, If_Match=made.headers["etag"])
    assert variable in [one["variable"] for one in _every(client, "consolidation-params")]
    client("DELETE", f"/variables/{variable}", status=409)
    client("DELETE", own, status=204)
    client("PUT", "/consolidation-params/999999", {"format": FORMAT}, status=404)


def test_what_is_referred_to_stays(client, examples):
    dataset = client.make("datasets", examples["datasets"][0]())
    record, instance, container = dataset["record"], dataset["instance"], dataset["container"]
    collection = client.make("collections", examples["collections"][0]())["id"]
    for kind, id in (("records", record), ("instances", instance), ("containers", container)):
        refused = client("DELETE", f"/{kind}/{id}", status=409).json()
        assert "refer" in refused["detail"]
        assert refused["entity"] == kind[:-1]
    done = client("POST", "/records/delete", {"ids": [record, 999999], "keep_referenced": True}, status=200).json()
    assert done["deleted"] == []
    assert [one["id"] for one in done["kept"]] == [record, 999999]
    client("POST", "/collections/delete", {"ids": [collection]}, status=200)
    client("POST", "/datasets/delete", {"ids": [dataset["id"]]}, status=200)
    assert client("POST", "/records/delete", {"ids": [record]}, status=200).json()["deleted"] == [record]


def test_locked_datasets_are_left_alone(client, examples):
    id = client.make("datasets", examples["datasets"][0]())["id"]
    client("POST", "/datasets/lock", {"ids": [id], "job": "a"}, status=200)
    assert client("GET", f"/datasets/{id}", status=200).json()["locked_by"] == "a"
    assert [one["id"] for one in client("GET", "/datasets?job=a", status=200).json()["entities"]] == [id]
    client("POST", "/datasets/lock", {"ids": [id], "job": "b"}, status=409)
    client("PATCH", f"/datasets/{id}", {"status": "inactive"}, status=409)
    client("DELETE", f"/datasets/{id}", status=409)
    client("POST", "/datasets/status", {"ids": [id], "status": "inactive"}, status=409)
    client("POST", "/datasets/status", {"ids": [id], "status": "inactive", "job": "a"}, status=200)
    assert client("POST", "/datasets/unlock", {"job": "a"}, status=200).json() == {"released": 1}
    client("POST", "/datasets/status", {"ids": [id], "status": "active"}, status=200)


def test_tags_of_many_records(client, examples):
    name = examples["records"][0]()["name"]
    records = [{"name": name, "time": f"2020-01-0{i}T00:00:00Z"} for i in range(1, 4)]
    ids = client("POST", "/records", records, status=201).json()["ids"]
    answer = client("POST", "/records", [records[0], {**records[0], "time": "2021-01-01T00:00:00Z"}], status=409)
    assert "is stored already" in answer.json()["detail"]  # and nothing of the list is
    added = client("POST", "/records/tags", {"ids": ids[:2], "add": {"it's": '100 % "ü"'}}, status=200).json()
    assert added == {"added": 2, "removed": 0}
    found = httpx.get(client.url + "/records", params={"name": f"{name}*", "tags": "it's:100*(?i)"}).json()["entities"]
    assert [one["id"] for one in found] == ids[:2]
    found = httpx.get(client.url + "/records", params={"name": name, "datetime": "2020-01-02/.."}).json()["entities"]
    assert [one["id"] for one in found] == ids[1:]
    removed = client("POST", "/records/tags", {"ids": ids, "remove": ["it's"]}, status=200).json()
    assert removed == {"added": 0, "removed": 2}


def test_mapping_update_can_be_simulated(client, examples):
    dataset = client.make("datasets", examples["datasets"][0]())
    wanted = {"instance": dataset["instance"], "format": {"dtype": "uint8", "nodata": 7}, "mapping": {"emax": 2}}
    simulated = client("POST", "/datasets/mapping", {**wanted, "simulate": True}, status=200).json()
    assert simulated["simulated"] is True
    assert [(one["number"], one["changes"]) for one in simulated["datasets"]] == [(1, True)]
    assert client("GET", f"/datasets/{dataset['id']}", status=200).json()["nodata"] == 0
    client("POST", "/datasets/mapping", wanted, status=200)
    assert client("GET", f"/datasets/{dataset['id']}", status=200).json()["nodata"] == 7


def test_tidying_up_can_be_simulated(client, examples):
    area = client.make("aois", examples["aois"][0]())["id"]
    client("POST", "/aois", {"geometry": client("GET", f"/aois/{area}").json()["geometry"]}, status=409)
    simulated = client("POST", "/tidy", {"kinds": ["aois"], "simulate": True}, status=200).json()
    client("GET", f"/aois/{area}", status=200)
    assert client("POST", "/tidy", {"kinds": ["aois"]}, status=200).json()["removed"] == simulated["removed"]
    client("GET", f"/aois/{area}", status=404)
    assert client("POST", "/tidy", {"kinds": ["all"]}, status=400).json()["parameter"] == "kinds"


def test_tiles_of_an_area_come_as_a_stream(client, examples):
    layout = client.make("layouts", examples["layouts"][0]())["name"]
    body = json.dumps({"layout": layout, "geometry": SQUARE})
    headers = {"Content-Type": "application/json"}
    with httpx.stream("POST", f"{client.url}/layouts/tiles", content=body, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("application/geo+json-seq")
        features = [json.loads(text) for text in answer.read().decode().split("\x1e")[1:]]
    assert len(features) > 50
    assert len({one["id"] for one in features}) == len(features)
    assert features[0]["properties"]["crs"] == "EPSG:32632"
    client("POST", "/layouts/tiles", {"layout": "none", "geometry": SQUARE}, status=404)
    point = {"type": "Point", "coordinates": [0, 0]}
    client("POST", "/layouts/tiles", {"layout": layout, "geometry": point}, status=400)


def test_cells_of_a_grid_by_area(client, examples):
    grid = client.make("grids", examples["grids"][0]())
    assert grid["cell_count"] == 2
    cells = client("GET", f"/grids/{grid['id']}/cells?bbox=11.5,50.2,11.6,50.3", status=200).json()
    assert [one["properties"]["id"] for one in cells["features"]] == ["b"]
    layout = {"kind": "custom", "name": grid["name"], "resolution": 10}
    client.make("layouts", {"name": grid["name"], "grid": layout, "max_records": 1})
    client("DELETE", f"/grids/{grid['id']}", status=409)


def test_layouts_of_a_set_of_containers(client, examples):
    layout = client.make("layouts", examples["layouts"][0]())["name"]
    container = client.make("containers", {**examples["containers"][0](), "layout": layout})
    pattern = container["uri"].rpartition("/")[2]
    assert client("GET", f"/containers/layouts?uri=*{pattern}", status=200).json() == {"layouts": [layout]}
    assert client("GET", "/containers/layouts?uri=none*", status=200).json() == {"layouts": []}
    assert client("GET", "/containers/layouts?tags=a&tags=b", status=200).json() == {"layouts": []}
    refused = client("PATCH", f"/layouts/{_id(client, 'layouts', layout)}", {"max_records": 3}, status=409)
    assert "files are written in it" in refused.json()["detail"]


def _id(client, kind, name):
    return client("GET", f"/{kind}?name={name}", status=200).json()["entities"][0]["id"]


@pytest.fixture
def own(server, image):
    """Copies an image to where files are ours."""

    def copy(name):
        folder = server.home / "storage"
        folder.mkdir(exist_ok=True)
        return Path(shutil.copy(image(f"{time.monotonic_ns()} {name}"), folder))

    return copy


def test_a_managed_file_goes_with_its_container_and_others_stay(client, image, own):
    for path, managed in ((own("ours.tif"), True), (Path(image(f"{time.monotonic_ns()} theirs.tif")), False)):
        id = client.make("containers", {"uri": str(path), "managed": managed})["id"]
        client("DELETE", f"/containers/{id}", status=204)
        assert path.exists() is not managed


def test_files_elsewhere_are_never_ours(client, server, image, own):
    link = server.home / "storage" / f"{time.monotonic_ns()}.tif"
    elsewhere = image(f"{time.monotonic_ns()}.tif")
    own("makes the folder.tif")
    link.symlink_to(elsewhere)
    for uri in (elsewhere, str(link), str(server.home / "catalogue.sqlite"), "/etc/hostname"):
        refused = client("POST", "/containers", {"uri": uri, "managed": True}, status=400).json()
        assert refused["parameter"] == "managed"


def test_a_file_that_can_not_be_deleted_stays_known_and_stops_the_rest(client, own):
    paths = [own(f"{i}.tif") for i in range(3)]
    ids = [client.make("containers", {"uri": str(path), "managed": True})["id"] for path in paths]
    paths[1].unlink()
    paths[1].mkdir()  # nobody deletes a folder as if it were a file
    refused = client("POST", "/containers/delete", {"ids": ids}, status=409).json()
    assert "can't be deleted" in refused["detail"]
    client("GET", f"/containers/{ids[0]}", status=404)
    assert not paths[0].exists()
    for id in ids[1:]:
        client("GET", f"/containers/{id}", status=200)
    assert paths[2].exists()


def test_nothing_goes_when_one_may_not(client, examples, own):
    used = client.make("datasets", examples["datasets"][0]())["container"]
    path = own("free.tif")
    free = client.make("containers", {"uri": str(path), "managed": True})["id"]
    client("POST", "/containers/delete", {"ids": [free, used]}, status=409)
    assert path.exists()
    done = client("POST", "/containers/delete", {"ids": [free, used], "keep_referenced": True}, status=200).json()
    assert done["deleted"] == [free]
    assert [one["id"] for one in done["kept"]] == [used]
    assert not path.exists()


@pytest.fixture
def silent():
    """A host that takes connections and never answers: its address, and a call that returns once it was asked."""
    with socket.socket() as listening, ExitStack() as open_ones:
        listening.bind(("127.0.0.1", 0))
        listening.listen(5)
        listening.settimeout(30)
        asked = partial(_receive, listening, open_ones)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/x.tif", asked


def _receive(listening, open_ones):
    connection, _ = listening.accept()
    assert open_ones.enter_context(connection).recv(4) in (b"GET ", b"HEAD")


def test_a_host_that_does_not_answer_keeps_no_writer_waiting(client, examples, silent):
    """The other writer is done while the slow request still waits."""
    address, asked = silent
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(client, "POST", "/containers", {"uri": address})
        asked()
        for kind in ("palettes", "records"):
            client.make(kind, examples[kind][0]())
        assert not slow.done()
        assert slow.result().status_code == 400


def test_collections_and_settings_that_are_not_there_are_kept_too(client):
    for kind, id in (("collections", "none"), ("consolidation-params", 999999)):
        client("POST", f"/{kind}/delete", {"ids": [id]}, status=404)
        done = client("POST", f"/{kind}/delete", {"ids": [id], "keep_referenced": True}, status=200).json()
        assert (done["deleted"], [one["id"] for one in done["kept"]]) == ([], [id])


def test_a_file_that_changed_is_told(client, server, examples):
    collection = examples["collections"][0]()
    dataset = client.make("datasets", examples["datasets"][0]())
    name = client.make("collections", collection)["id"]
    assert collection["fields"][0]["instance"] == dataset["instance"]
    before = httpx.get(f"{server.url}/collections/{name}", timeout=60)
    assert before.status_code == 200
    client("PATCH", f"/containers/{dataset['container']}", {"etag": "other"}, status=200)
    again = {key: dataset[key] for key in ("record", "instance", "uri")} | {"bands": [2, 1]}
    assert "changed since it was indexed" in client("POST", "/datasets", again, status=409).json()["detail"]


def test_searches_by_area_of_interest_and_by_what_belongs(client, examples):
    dataset = client.make("datasets", examples["datasets"][0]())
    variable = client("GET", f"/variables?instance={dataset['instance']}", status=200).json()["entities"]
    assert [one["id"] for one in variable] == [client("GET", f"/instances/{dataset['instance']}").json()["variable"]]
    area = client.make("aois", {"geometry": dataset["footprint"]})["id"]
    client("PATCH", f"/records/{dataset['record']}", {"aoi": area}, status=200)
    found = client("GET", f"/records?aoi={area}", status=200).json()["entities"]
    assert dataset["record"] in [one["id"] for one in found]
    containers = client("GET", f"/containers?aoi={area}&tags=k", status=200).json()["entities"]
    assert dataset["container"] in [one["id"] for one in containers]
    assert client("GET", f"/containers?aoi={area}&tags=none", status=200).json()["entities"] == []
    client("GET", f"/records?aoi={area}&bbox=0,0,1,1", status=400)
    client("GET", "/records?aoi=999999", status=404)


def test_what_is_read_comes_as_a_page_as_well(client, server, examples):
    made = client.make("records", examples["records"][0]())
    for path in ("", "/records", f"/records/{made['id']}", "/grids", "/containers/layouts"):
        address = f"{server.url}/catalogue{path}"
        page = httpx.get(address, headers={"Accept": "text/html,*/*;q=0.8"}, timeout=60)
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8"), path
        assert page.headers["cache-control"] == "private, no-cache"
        assert "Accept" in page.headers["vary"].split(", ")
        for f, kind in (("html", "text/html; charset=utf-8"), ("json", "application/json")):  # wins over Accept
            other = httpx.get(address, params={"f": f}, headers={"Accept": "application/json, text/html"}, timeout=60)
            assert other.headers["content-type"] == kind
        plain = httpx.get(address, headers={"Accept": "application/json"}, timeout=60)
        tags = {"text/html": page.headers["etag"], "application/json": plain.headers["etag"]}
        assert len({*tags.values()}) == 2
        for kind in tags:
            for tag in tags:
                again = httpx.get(address, headers={"Accept": kind, "If-None-Match": tags[tag]}, timeout=60)
                assert again.status_code == (304 if tag == kind else 200), (path, kind, tag)
    answer = httpx.get(f"{server.url}/catalogue/records/{made['id']}", params={"f": "html"}, timeout=60)
    assert made["name"] in answer.text


def test_pages_of_other_sites_do_not_read_the_catalogue(server):
    for path, shared in (("/collections", True), ("/catalogue/containers", False), ("/catalogue", False)):
        answer = httpx.get(server.url + path, headers={"Origin": "http://evil.example"}, timeout=60)
        assert ("access-control-allow-origin" in answer.headers) is shared


@pytest.mark.parametrize(
    ("method", "path", "document", "status", "parameter"),
    [
        ("GET", "/nothing", None, 404, None),
        ("POST", "/nothing", {}, 404, None),
        ("GET", "/records/x", None, 404, None),
        ("GET", "/records/99999999999999999999", None, 404, None),
        ("GET", "/records?colour=red", None, 400, "colour"),
        ("GET", "/records?f=xml", None, 400, "f"),
        ("GET", "?f=geotiff", None, 400, "f"),
        ("GET", "/records?lang=xx", None, 400, "lang"),
        ("GET", "/records?limit=0", None, 400, "limit"),
        ("GET", "/records?limit=1001", None, 400, "limit"),
        ("GET", "/records?after=x", None, 400, "after"),
        ("GET", "/records?after=WyJhIiwiYiJd", None, 400, "after"),
        ("GET", "/records?ids=1,x", None, 400, "ids"),
        ("GET", "/records?name=a%5C", None, 400, "name"),
        ("GET", "/records?bbox=0,0,1", None, 400, "bbox"),
        ("GET", "/records?bbox=0,0,1,91", None, 400, "bbox"),
        ("GET", "/records?datetime=x", None, 400, "datetime"),
        ("GET", "/datasets?status=x", None, 400, "status"),
        ("GET", "/containers?managed=1", None, 400, "managed"),
        ("POST", "/records", {"name": "a"}, 400, "time"),
        ("POST", "/records", {"name": "a", "time": "2020-01-01", "colour": 1}, 400, "colour"),
        ("POST", "/records", {"name": "a\0b", "time": "2020-01-01"}, 400, "record.name"),
        ("POST", "/records", {"name": "a", "time": "2020-13-01"}, 400, "datetime"),
        ("POST", "/records", {"name": "a", "time": "2020-01-01", "aoi": "1"}, 400, "aoi"),
        ("POST", "/records", {"name": "a", "time": "2020-01-01", "aoi": 999999}, 404, None),
        ("POST", "/aois", {"geometry": {"type": "Polygon", "coordinates": []}}, 400, "geometry"),
        ("POST", "/aois", {"geometry": {"type": "Polygon", "coordinates": [[["a", 1]]]}}, 400, "geometry"),
        ("POST", "/variables", {**VARIABLE, "bands": []}, 400, "bands"),
        ("POST", "/variables", {**VARIABLE, "format": {"dtype": "text"}}, 400, "format.dtype"),
        ("POST", "/variables", {**VARIABLE, "format": {"dtype": "uint8", "nodata": 300}}, 400, "nodata"),
        ("POST", "/variables", {**VARIABLE, "palette": "none"}, 404, None),
        ("POST", "/instances", {"variable": 999999, "name": "i"}, 404, None),
        ("POST", "/containers", {"uri": "/nowhere/x.tif"}, 400, "uri"),
        ("POST", "/containers", {"uri": "/vsicurl/http://127.0.0.1/x.tif"}, 400, "uri"),
        ("POST", "/palettes", {"name": "../x", "points": PALETTE["points"]}, 400, "name"),
        ("POST", "/layouts", {"name": "l", "grid": {"kind": "round"}, "max_records": 1}, 400, "grid"),
        ("POST", "/layouts", {"name": "l", "grid": {**REGULAR, "crs": "EPSG:1"}, "max_records": 1}, 400, "crs"),
        ("POST", "/grids", {"name": "g"}, 400, "cells"),
        ("POST", "/collections", {"name": "records"}, 400, "collection.name"),
        ("POST", "/collections", {"name": "c", "fields": [{"name": "f"}]}, 400, "fields.f"),
        ("POST", "/records/tags", {"ids": []}, 400, "ids"),
        ("GET", "/datasets?job=%00", None, 400, "job"),
        ("GET", "/containers?layout=%00", None, 400, "layout"),
        ("POST", "/collections/delete", {"ids": ["a\0b"]}, 404, None),
        ("POST", "/datasets/unlock", {"job": "a\0"}, 400, "job"),
        ("POST", "/layouts/tiles", {"layout": "a\0", "geometry": SQUARE}, 400, "layout"),
        ("POST", "/palettes?dry=1", PALETTE, 400, "dry"),
        ("POST", "/layouts", {"name": "l", "grid": _grid(resolution=1e99), "max_records": 1}, 400, "resolution"),
        ("POST", "/layouts", {"name": "l", "grid": _grid(origin_x=1e99), "max_records": 1}, 400, "origin_x"),
        ("POST", "/grids", {"name": "g", "cells": _features({"properties": 1})}, 400, "cells"),
        ("POST", "/collections", {"name": "c", "fields": [_computed(5, 1)]}, 400, "fields.g"),
        ("DELETE", "/collections/none", None, 404, None),
    ],
)  # fmt: skip
def test_refusals_name_what_is_wrong(client, method, path, document, status, parameter):
    answer = client(method, path, document, status=status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json().get("parameter") == parameter


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"name":"a"}', "text/plain", 415),
        (b"name=a", "application/x-www-form-urlencoded", 415),
    ],
)
def test_bodies_that_are_no_json(client, content, kind, status):
    answer = httpx.post(f"{client.url}/records", content=content, headers={"Content-Type": kind}, timeout=60)
    assert answer.status_code == status


def test_pages_of_other_sites_change_nothing(client, server):
    body = {"name": "evil", "points": PALETTE["points"]}
    port = server.url.rpartition(":")[2]
    for origin, host in (
        ("http://evil.example", f"127.0.0.1:{port}"),
        (f"http://evil.example:{port}", f"evil.example:{port}"),  # its name points to this machine
        ("null", f"127.0.0.1:{port}"),
    ):
        answer = httpx.post(f"{client.url}/palettes", json=body, headers={"Origin": origin, "Host": host})
        assert answer.status_code == 403
    own = httpx.post(f"{client.url}/palettes", json=body, headers={"Origin": server.url})
    assert own.status_code == 201
    client("DELETE", f"/palettes/{own.json()['id']}", status=204)


def test_a_server_that_others_reach_keeps_its_catalogue_to_itself(start, tmp_path):
    public = {"SERVE__PUBLIC_URL": "https://eo.example.org/api"}
    with start(tmp_path, "serve", "--workers", "1", **public) as server:
        client = Client(server.url)
        assert "prismcube.serve.writable" in client("POST", "/palettes", PALETTE, status=403).json()["detail"]
        assert "prismcube.access" in client("GET", "/palettes", status=403).json()["detail"]
    with start(tmp_path, "serve", "--workers", "1", SERVE__WRITABLE="true", **public) as server:
        Client(server.url)("POST", "/palettes", PALETTE, status=201)


@pytest.mark.parametrize("kind", ["records", "aois", "variables", "palettes", "layouts", "collections"])
def test_of_many_that_make_the_same_one_succeeds(server, examples, kind):
    document = examples[kind][0]()
    barrier = threading.Barrier(8)

    def create(_):
        barrier.wait()
        return Client(server.url)("POST", f"/{kind}", document).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(create, range(8)))
    assert statuses == [201, *[409] * 7]


def test_openapi_describes_every_route(server):
    paths = httpx.get(f"{server.url}/openapi", timeout=60).json()["paths"]
    assert set(catalogue_paths(CatalogueExamples())) <= set(paths)
    documented = {(path, p["name"]) for path, item in paths.items() for p in item.get("get", {}).get("parameters", [])}
    for name, one in RESOURCES.items():
        for parameter in one.filters:
            assert (f"/catalogue/{name}", parameter) in documented


def test_schemas_take_what_the_server_gives(client, examples, server):
    """A document that was read is valid by the schema of the OpenAPI document, once it is without what is only read."""
    from jsonschema import Draft4Validator  # OpenAPI 3.0 has its words, but for `nullable`

    document = httpx.get(f"{server.url}/openapi", timeout=60).json()
    for kind in KINDS:
        there = client("GET", f"/{kind}?limit=1", status=200).json()["entities"]
        stored = there[0] if there else client.make(kind, examples[kind][0]())
        model = RESOURCES[kind].model
        whole = {key: value for key, value in stored.items() if key in model.model_fields}
        components = _nullable(document["components"])
        schema = {**components["schemas"][model.__name__], "components": components}
        assert [error.message for error in Draft4Validator(schema).iter_errors(whole)] == []


def _nullable(schema):
    """`nullable` of OpenAPI 3.0 in the words of JSON Schema."""
    if isinstance(schema, list):
        return [_nullable(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _nullable(value) for key, value in schema.items()}
    if found.pop("nullable", False):
        found = {"anyOf": [found, {"type": "null"}]}
    return found


@contextmanager
def asleep(*pids):
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.alone
def test_collections_come_change_and_go_on_every_worker_within_a_second(server, client, examples):
    """One worker makes the change, each of the others must tell of it; no restart."""
    document = examples["collections"][0]()
    name = document["name"]
    first, *others = server.workers()
    assert others

    def seen_by_others():
        for pid in others:
            with asleep(*(one for one in server.workers() if one != pid)):
                yield pid, httpx.get(f"{server.url}/collections/{name}", timeout=120)

    def change(method, path, body, status):
        with asleep(*others):
            client(method, path, body, status=status)
        return time.monotonic()

    own = f"/collections/{name}"
    for method, path, body, status, is_new in (
        ("POST", "/collections", document, 201, lambda answer: answer.status_code == 200),
        ("PATCH", own, {"title": "new"}, 200, lambda answer: answer.json().get("title") == "new"),
        ("DELETE", own, None, 204, lambda answer: answer.status_code == 404),
    ):
        at = change(method, path, body, status)
        answered = set()
        while len(answered) < len(others):
            answered |= {pid for pid, answer in seen_by_others() if is_new(answer)}
            assert time.monotonic() - at < 1, "not within a second"
    assert sorted(server.workers()) == sorted([first, *others])


@pytest.mark.parametrize(
    "path", ["/catalogue/containers", "/collections/s2-romania/coverage?f=plan&datetime=2016-03-18"]
)
def test_names_that_point_to_this_machine_do_not_see_files(demo, path):
    """A site may have its own name point here (DNS rebinding); its pages then ask by that name."""
    port = demo.url.rpartition(":")[2]
    for host, status in ((f"evil.example:{port}", 403), (f"localhost:{port}", 200), (f"127.0.0.1:{port}", 200)):
        assert httpx.get(demo.url + path, headers={"Host": host}, timeout=60).status_code == status
    assert httpx.get(f"{demo.url}/collections", headers={"Host": f"evil.example:{port}"}).status_code == 200


@pytest.mark.parametrize(
    "path", ["/collections/s2-romania/coverage?f=plan&datetime=2016-03-18", "/metrics", "/catalogue"]
)
def test_pages_of_other_sites_do_not_read_of_files(demo, path):
    answer = httpx.get(demo.url + path, headers={"Origin": "https://evil.example"}, timeout=60)
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers
