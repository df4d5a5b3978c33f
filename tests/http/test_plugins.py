"""The providers of `providers.plugins`, loaded by an unmodified pygeoapi from a plain file, beside our own server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import rasterio
import yaml
from pygeoapi.process.base import ProcessorExecuteError
from pygeoapi.process.manager.base import get_manager
from pygeoapi.util import JobStatus

from prismcube.errors import ConfigurationError
from server.plugins import JobManager, Processor
from tests.http.stock import ROOT, SERVER, Stock, ended, run, started, working

HOW_TO = ROOT / "docs" / "how-to" / "use-in-pygeoapi.md"
C = "/collections/s2-romania"
POINT = "POINT(22.1522 45.2048)"
POLYGON = "POLYGON((22.150 45.203,22.155 45.203,22.155 45.206,22.150 45.206,22.150 45.203))"
LINE = "LINESTRING(22.150 45.203,22.153 45.206)"
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
EPSG_3035 = "http://www.opengis.net/def/crs/EPSG/0/3035"


def documented(home: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parts of the configuration that the documentation tells users to write, with the folder put in."""
    text = HOW_TO.read_text(encoding="utf-8").replace("/srv/prismcube", str(home))
    collections, processes = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    return yaml.safe_load(collections), yaml.safe_load(processes)


@pytest.fixture(scope="module")
def stock(demo: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stock]:
    folder = tmp_path_factory.mktemp("pygeoapi")
    documents, processes = documented(demo.home)
    resources = documents["resources"] | processes["resources"]
    server = {"server": {**SERVER["server"], **processes["server"]}}
    original = resources["s2-romania"]
    for provider in original["providers"]:
        if provider["type"] in ("edr", "feature"):
            provider["crs"] = [EPSG_3035]
    coverage = next(one for one in original["providers"] if one["type"] == "coverage")
    feature = next(one for one in original["providers"] if one["type"] == "feature")
    broken = {**original, "providers": [{**coverage, "data": "gone"}]}
    picture = {**coverage, "format": {"name": "png", "mimetype": "image/png"}}
    picture["options"] = {"home": str(demo.home), "parameters": {"group": "all", "width": "50", "mosaic": "first"}}
    small = {**coverage, "options": {"catalogue": f"sqlite:///{demo.home / 'catalogue.sqlite'}"}}
    small["options"]["limits"] = {"json_values": 1000, "items": 4}
    resources |= {
        "picture": {**original, "providers": [picture]},
        "small": {**original, "providers": [small, {**feature, "options": small["options"]}]},
    }
    described = {**SERVER, **server, "resources": resources}
    with started(folder, described, {**described, "resources": {**resources, "gone": broken}}) as url:
        yield Stock(url)


# --- coverages --------------------------------------------------------------------------------------------------------


def ranges(document: dict[str, Any]) -> dict[str, np.ndarray]:
    return {
        name: np.array(one["values"], dtype=float).reshape(one["shape"]) for name, one in document["ranges"].items()
    }


def test_a_geotiff_is_that_of_our_server(stock: Stock, demo: Any) -> None:
    asked = {"properties": "B4,ndvi", "datetime": "2020-06-20"}
    theirs = stock.ok(f"{C}/coverage", f="GTiff", **asked)
    assert theirs.headers["content-type"] == "image/tiff; application=geotiff"
    assert 'filename="s2-romania.tif"' in theirs.headers["content-disposition"]
    ours = demo.tiff(f"{C}/coverage", **asked)
    with rasterio.MemoryFile(theirs.content) as memory, memory.open() as file:
        np.testing.assert_array_equal(file.read(), ours.data)
        assert (file.crs, file.transform) == (ours.crs, ours.transform)


def test_a_geotiff_has_the_pixels_of_the_file(stock: Stock, romania_files: list[Path]) -> None:
    theirs = stock.ok(f"{C}/coverage", f="GTiff", properties="B2,B8", datetime="2020-06-20").content
    stored = next(file for file in romania_files if "20200620" in file.name)
    with rasterio.MemoryFile(theirs) as memory, memory.open() as file, rasterio.open(stored) as source:
        np.testing.assert_array_equal(file.read(), source.read([1, 4]))


@pytest.mark.parametrize(
    "asked",
    [
        {"properties": "B4,B8,ndvi"},  # stock: one range for all bands
        {"properties": "B4", "bbox": "22.150,45.203,22.153,45.206"},
        {"properties": "B4", "bbox": "2532200,5272100,2532700,5272400", "bbox_crs": EPSG_3035},  # stock: 500
        {
            "properties": "B4",
            "subset": "Lon(22.150:22.153)",
        },  # stock: an unknown axis, and one alone counts for nothing
        {"properties": "B4", "subset": "E(5272100:5272300),N(*:2532500)"},
        {"properties": "B4", "subset": 'time("2020-06-20":"2020-06-30"),y(2532200:2532700)', "datetime": None},
    ],
    ids=lambda asked: next(name for name in reversed(asked) if asked[name]),
)
def test_coverage_json_is_that_of_our_server(stock: Stock, demo: Any, asked: dict[str, str]) -> None:
    asked = {name: value for name, value in {"datetime": "2020-06-20", **asked}.items() if value}
    theirs = stock.json(f"{C}/coverage", **asked)
    ours = demo.json(f"{C}/coverage", f="covjson", **asked)
    assert theirs == ours
    everything = demo.json(f"{C}/coverage", f="covjson", datetime="2020-06-20", properties="B4")
    if len(asked) > 2 or "subset" in asked:
        assert 0 < ranges(theirs)["B4"][0].size < ranges(everything)["B4"][0].size


def test_the_configured_format_and_parameters_hold(stock: Stock, demo: Any) -> None:
    asked = {"properties": "B4,B3,B2", "datetime": "2020"}
    theirs = stock.ok("/collections/picture/coverage", f="png", **asked)
    ours = demo.ok(f"{C}/coverage", f="png", group="all", width="50", mosaic="first", **asked)
    assert theirs.headers["content-type"] == "image/png"
    assert theirs.content == ours.content


def test_a_collection_tells_its_grid(stock: Stock) -> None:
    document = stock.json(C)
    assert [one["cellsCount"] for one in document["extent"]["spatial"]["grid"]] == [100, 100]
    assert [one["resolution"] for one in document["extent"]["spatial"]["grid"]] == [10, 10]
    assert document["extent"]["temporal"]["interval"] == [["2015-08-01T00:00:00Z", "2021-01-01T00:00:00Z"]]
    assert document["parameter_names"]["ndvi"]["unit"]["symbol"]["value"] == "1"


def test_a_schema_has_types_of_json(stock: Stock) -> None:
    properties = stock.json("/collections/picture/schema")["properties"]
    assert (properties["B4"]["type"], properties["ndvi"]["type"]) == ("integer", "number")


def test_pages_show_what_is_there(stock: Stock) -> None:
    for path in (C, f"{C}/coverage?bbox=22.150,45.203,22.153,45.206&datetime=2020-06-20", f"{C}/items", f"{C}/tiles"):
        answer = httpx.get(stock.url + path, headers={"Accept": "text/html"}, timeout=60)
        assert answer.status_code == 200, (path, answer.text[:300])
        assert answer.headers["content-type"].startswith("text/html")


def test_the_openapi_document_names_the_fields(stock: Stock) -> None:
    paths = stock.json("/openapi")["paths"]
    parameters = paths[f"{C}/coverage"]["get"]["parameters"]
    properties = next(one for one in parameters if one.get("name") == "properties")
    assert properties["schema"]["items"]["enum"] == ["B2", "B3", "B4", "B8", "SCL", "ndvi"]


# --- series -----------------------------------------------------------------------------------------------------------


def test_a_series_is_that_of_our_server(stock: Stock, demo: Any) -> None:
    asked = {"coords": POINT, "parameter_name": "ndvi", "datetime": "2019-06/2020-07"}
    theirs, ours = stock.json(f"{C}/position", **asked), demo.json(f"{C}/position", **asked)
    assert theirs == ours
    assert any(value is not None for value in theirs["ranges"]["ndvi"]["values"])


def test_coordinates_of_another_crs(stock: Stock, demo: Any) -> None:
    asked = {"coords": "POINT(5272455 2532705)", "parameter_name": "B4", "datetime": "2020-06-20", "crs": EPSG_3035}
    theirs, ours = stock.json(f"{C}/position", **asked), demo.json(f"{C}/position", **asked)
    assert theirs["ranges"] == ours["ranges"]
    assert theirs["domain"] == ours["domain"]


def test_a_cube_in_a_polygon_is_that_of_our_server(stock: Stock, demo: Any) -> None:
    asked = {"coords": POLYGON, "parameter_name": "B4,ndvi", "datetime": "2020-06-20/2020-07-10"}
    assert stock.json(f"{C}/area", **asked) == demo.json(f"{C}/area", **asked)


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("cube", {"bbox": "22.150,45.203,22.153,45.206"}),
        ("radius", {"coords": POINT, "within": "60", "within_units": "m"}),
        ("corridor", {"coords": LINE, "corridor_width": "80", "width_units": "m"}),
        ("trajectory", {"coords": LINE}),
        ("position", {"coords": "MULTIPOINT(22.1522 45.2048,22.1530 45.2050)"}),
    ],
)
def test_every_query_of_edr_is_that_of_our_server(stock: Stock, demo: Any, query: str, asked: dict[str, str]) -> None:
    common = {"parameter_name": "B4,ndvi", "datetime": "2020-06-20"}
    if query == "corridor":  # which pygeoapi has, though the standard makes heights optional
        demo.refused(f"{C}/corridor", **common, **asked, corridor_height="10", height_units="m")
    theirs, ours = stock.json(f"{C}/{query}", **common, **asked), demo.json(f"{C}/{query}", **common, **asked)
    assert theirs == ours


def test_locations_are_those_of_our_server(stock: Stock, demo: Any) -> None:
    theirs, ours = stock.json(f"{C}/locations"), demo.json(f"{C}/locations")
    for one in ours["features"]:
        del one["properties"]["edrqueryendpoint"]
    assert theirs["features"] == ours["features"] != []
    for one in ours["features"][:1]:
        asked = {"parameter_name": "B4", "datetime": "2020-06-20"}
        path = f"{C}/locations/{one['id']}"
        assert stock.json(path, **asked) == demo.json(path, **asked)


# --- items ------------------------------------------------------------------------------------------------------------


def features(document: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(one["id"], one["geometry"], one["properties"]) for one in document["features"]]


def test_items_are_those_of_our_server(stock: Stock, demo: Any) -> None:
    asked = {"bbox": "22.150,45.203,22.153,45.206", "datetime": "2020-06/2020-12", "limit": "50"}
    theirs, ours = stock.json(f"{C}/items", **asked), demo.json(f"{C}/items", **asked)
    assert features(theirs) == features(ours)
    assert 0 < theirs["numberReturned"] < 50


@pytest.mark.parametrize(
    "asked",
    [
        {"sortby": "-datetime"},
        {"sortby": "-name"},
        {"properties": "name"},
        {"skipGeometry": "true"},
        {"name": "S2_202006*"},
        {"area": "romania", "datetime": "2020-06"},
        {"crs": EPSG_3035},
    ],
    ids=lambda asked: next(iter(asked)),
)
def test_items_are_chosen_and_shown_as_by_our_server(stock: Stock, demo: Any, asked: dict[str, str]) -> None:
    theirs, ours = stock.json(f"{C}/items", limit="30", **asked), demo.json(f"{C}/items", limit="30", **asked)
    assert features(theirs) == features(ours)
    assert features(theirs) != features(demo.json(f"{C}/items", limit="30"))


@pytest.mark.parametrize("collection", ["s2-romania", "small"])  # whose handler gives four items at once
def test_pages_by_offset_have_each_item_once(
    stock: Stock, demo: Any, romania_files: list[Path], collection: str
) -> None:
    path, found = f"/collections/{collection}/items?f=json&datetime=2020&limit=7", []
    while path:
        document = httpx.get(stock.url + path, timeout=60).json()
        found += features(document)
        following = [one["href"] for one in document["links"] if one["rel"] == "next"]
        path = following[0].removeprefix(SERVER["server"]["url"]) if following else ""
    assert found == features(demo.json(f"{C}/items", datetime="2020", limit="100"))
    assert len(found) == sum("S2_2020" in file.name for file in romania_files)
    assert document["numberMatched"] == len(found)


def test_hits_are_counted(stock: Stock, romania_files: list[Path]) -> None:
    document = stock.json(f"{C}/items", resulttype="hits")
    assert (document["features"], document["numberMatched"]) == ([], len(romania_files))


def test_one_item(stock: Stock, demo: Any) -> None:
    first = demo.json(f"{C}/items", limit="1")["features"][0]
    theirs = stock.json(f"{C}/items/{first['id']}")
    assert features({"features": [theirs]}) == features({"features": [first]})
    stock.refused(f"{C}/items/999999", 404)
    stock.refused(f"{C}/items/none", 404)


# --- tiles ------------------------------------------------------------------------------------------------------------


def test_a_tile_is_that_of_our_server(stock: Stock, demo: Any) -> None:
    theirs = stock.ok(f"{C}/tiles/WebMercatorQuad/14/5880/9200", f="png")
    ours = demo.ok(f"{C}/map/tiles/WebMercatorQuad/14/5880/9200", f="png")
    assert theirs.headers["content-type"] == "image/png"
    assert theirs.content == ours.content


def test_tile_sets_lead_to_a_tile(stock: Stock) -> None:
    document = stock.json(f"{C}/tiles")
    template = next(one["href"] for one in document["links"] if one["rel"] == "item")
    path = template.removeprefix(SERVER["server"]["url"])
    for name, value in {
        "tileMatrixSetId": "WebMercatorQuad",
        "tileMatrix": 14,
        "tileRow": 5880,
        "tileCol": 9200,
    }.items():
        path = path.replace(f"{{{name}}}", str(value))
    assert httpx.get(stock.url + path, timeout=60).headers["content-type"] == "image/png"
    metadata = stock.json(f"{C}/tiles/WebMercatorQuad/metadata")
    assert metadata["dataType"] == "map"
    assert metadata["tileMatrixSetURI"].endswith("WebMercatorQuad")


# --- maps -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "asked",
    [
        {"bbox": "22.145,45.200,22.160,45.209"},
        {"bbox": "22.145,45.200,22.160,45.209", "datetime": "2020-06-20", "properties": "ndvi"},
        {"bbox": "5272100,2532200,5272800,2532700", "bbox_crs": EPSG_3035, "crs": EPSG_3035, "transparent": "false"},
    ],
    ids=["default", "datetime", "crs"],
)
def test_a_map_is_that_of_our_server(stock: Stock, demo: Any, asked: dict[str, str]) -> None:
    theirs = stock.ok(f"{C}/map", f="png", width=90, height=60, **asked)
    if "crs" in asked:  # northing first, where it is ours that follows the CRS; pygeoapi has x, y always
        asked = {**asked, "bbox": "2532200,5272100,2532700,5272800"}
    else:
        asked = {**asked, "crs": CRS84}
    ours = demo.ok(f"{C}/map", f="png", width=90, height=60, **asked)
    assert theirs.headers["content-type"] == "image/png"
    assert theirs.content == ours.content


def test_a_map_in_another_format_or_of_no_size_is_refused(stock: Stock) -> None:
    assert stock.get(f"{C}/map", f="jpeg", bbox="22.1,45.2,22.2,45.3").status_code == 400
    assert stock.get(f"{C}/map", f="png", width=0, bbox="22.1,45.2,22.2,45.3").status_code == 400


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        (f"{C}/coverage?bbox=22.15,45.2,22.16", 500, "bbox"),  # pygeoapi's own, before it reaches us
        (f"{C}/coverage?bbox=181,45,182,46", 400, "longitudes lie in -180..180"),
        (f"{C}/coverage?bbox=nan,45,22,46", 400, "not a number"),
        (f"{C}/coverage?bbox=22.15,45.2,22.16,45.3&bbox-crs=nonsense", 400, "bbox-crs"),
        (f"{C}/coverage?datetime=yesterday", 400, "datetime"),
        (f"{C}/coverage?properties=B4,B99", 400, "Invalid field"),
        (f"{C}/coverage?subset=height(1:2)", 400, "axis"),
        (f"{C}/coverage?subset=E(2:1)", 400, "low bound"),
        (f"{C}/position?coords=LINESTRING(22.15 45.2,22.16 45.21)", 400, "coords"),
        (f"{C}/position?coords=POINT Z(22.15 45.2 7)", 400, "no height"),
        (f"{C}/position?coords=POINT(22.1522 45.2048)&parameter-name=B4,B99", 400, "no field 'B99'"),
        (f"{C}/area?coords=POLYGON((0 0,1 1,0 1,1 0,0 0))", 400, "not a valid geometry"),
        (f"{C}/items?datetime=2020/2019", 400, "datetime"),
        (f"{C}/items?offset=10001", 400, "offset"),
        (f"{C}/items?filter=name='x'", 400, "filter"),
        (f"{C}/items?q=forest", 400, "q: unknown parameter"),
        (f"{C}/items?colour=red", 400, "colour: unknown parameter"),
        (f"{C}/items?sortby=area", 400, "sortby"),
        (f"{C}/tiles/WebMercatorQuad/a/1/1?f=png", 400, "tileMatrix"),
        ("/collections/small/coverage?datetime=2020", 413, "values in a text answer"),
        ("/collections/gone/coverage?properties=B4", 404, "no collection 'gone'"),
    ],
)
def test_errors_keep_their_status_and_words(stock: Stock, path: str, status: int, says: str) -> None:
    answer = httpx.get(stock.url + path + ("" if "f=" in path else "&f=json"), timeout=60)
    assert answer.status_code == status, answer.text[:300]
    assert says in answer.json()["description"]


@pytest.mark.parametrize("path", [f"{C}/coverage?bbox=0,0,1,1", f"{C}/position?coords=POINT(0 0)"])
def test_where_nothing_lies_there_is_no_content(stock: Stock, path: str) -> None:
    assert httpx.get(stock.url + path, timeout=60).status_code == 204


def test_a_tile_outside_the_set_is_not_found(stock: Stock) -> None:
    assert stock.get(f"{C}/tiles/WebMercatorQuad/1/2/0", f="png").status_code == 404
    assert stock.get(f"{C}/tiles/Nowhere/1/0/0", f="png").status_code == 404


def test_a_collection_that_has_gone_leaves_the_others(stock: Stock) -> None:
    assert [one["id"] for one in stock.json("/collections")["collections"]] == ["s2-romania", "picture", "small"]


def test_nothing_is_left_in_the_temporary_folder(stock: Stock, demo: Any) -> None:
    stock.ok(f"{C}/coverage", f="GTiff", datetime="2020-06-20")
    assert list((demo.home / "tmp").glob("answer-*")) == []


# --- processes and jobs -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def worker(demo: Any) -> Iterator[None]:
    """What executes jobs, as the documentation says."""
    with working(demo.home):
        yield


def test_processes_are_described_as_by_our_server(stock: Stock, demo: Any) -> None:
    theirs, ours = stock.json("/processes/echo"), demo.json("/processes/echo")
    for name in ("id", "version", "title", "inputs", "outputs", "jobControlOptions"):
        assert theirs[name] == ours[name], name
    assert [one["id"] for one in stock.json("/processes")["processes"]] == ["consolidate", "echo"]
    assert httpx.get(f"{stock.url}/processes/echo", headers={"Accept": "text/html"}, timeout=60).status_code == 200


@pytest.mark.usefixtures("worker")
def test_a_small_process_answers_at_once(stock: Stock) -> None:
    given = {"stringInput": "one", "doubleInput": 2.5}
    answer = run(stock, "echo", given, response="document")
    assert answer.status_code == 200, answer.text
    assert {name: answer.json()[name] for name in ("stringOutput", "doubleOutput")} == {
        "stringOutput": "one",
        "doubleOutput": 2.5,
    }
    alone = run(stock, "echo", given, outputs={"stringOutput": {}})
    assert (alone.status_code, alone.text) == (200, "one")


@pytest.mark.usefixtures("worker")
def test_a_job_is_that_of_the_ledger(stock: Stock, demo: Any) -> None:
    answer = run(stock, "echo", {"stringInput": "later", "pause": 0.5}, prefer="respond-async")
    assert answer.status_code == 201, answer.text
    assert answer.headers["preference-applied"] == "respond-async"
    id = answer.json()["jobID"]
    assert answer.headers["location"].endswith(f"/jobs/{id}")
    assert stock.json(f"/jobs/{id}")["status"] in ("accepted", "running", "successful")
    document = ended(stock, id)
    assert (document["status"], document["processID"], document["progress"]) == ("successful", "echo", 100)
    assert document["parameters"]["stringInput"] == "later"
    assert demo.json(f"/jobs/{id}")["status"] == "successful"
    assert stock.json(f"/jobs/{id}/results")["stringOutput"] == "later"
    assert stock.json("/jobs", limit=1)["jobs"][0]["jobID"] == id
    assert id not in [one["jobID"] for one in stock.json("/jobs", limit=5, offset=1)["jobs"]]
    assert httpx.get(f"{stock.url}/jobs/{id}", headers={"Accept": "text/html"}, timeout=60).status_code == 200
    assert httpx.delete(f"{stock.url}/jobs/{id}", timeout=60).json()["status"] == "dismissed"
    assert stock.get(f"/jobs/{id}", f="json").status_code == 404
    assert demo.get(f"/jobs/{id}").status_code == 404


@pytest.mark.usefixtures("worker")
def test_a_job_that_works_is_stopped(stock: Stock, demo: Any) -> None:
    id = run(stock, "echo", {"stringInput": "never", "pause": 300}, prefer="respond-async").json()["jobID"]
    assert httpx.delete(f"{stock.url}/jobs/{id}", timeout=60).status_code == 200
    assert ended(stock, id)["status"] == "dismissed"
    assert demo.json(f"/jobs/{id}")["status"] == "dismissed"


@pytest.mark.parametrize(
    ("process", "inputs", "body", "says"),
    [
        ("echo", {"stringInput": 5}, {}, "stringInput"),
        ("echo", {"nothing": 5}, {}, "nothing"),
        ("echo", {"stringInput": "a"}, {"outputs": {"other": {}}}, "other"),
        ("echo", {"stringInput": "a"}, {"subscriber": {"successUri": "http://127.0.0.1:9/x"}}, "successUri"),
        ("consolidate", {"collection": "gone", "layout": "gone"}, {}, "gone"),
    ],
)
def test_what_makes_no_sense_is_refused_before_there_is_a_job(
    stock: Stock, process: str, inputs: dict[str, Any], body: dict[str, Any], says: str
) -> None:
    before = [one["jobID"] for one in stock.json("/jobs")["jobs"]]
    answer = run(stock, process, inputs, **body)
    assert answer.status_code == 400, answer.text
    assert says in answer.json()["description"]
    assert [one["jobID"] for one in stock.json("/jobs")["jobs"]] == before


def test_a_manager_of_pygeoapi_waits_for_the_job(worker: None, demo: Any) -> None:
    del worker
    own = {"name": "server.plugins.Processor", "process": "echo", "home": str(demo.home)}
    manager = get_manager({"resources": {"echo": {"type": "process", "processor": own}}})  # the one that needs nothing
    _, kind, outputs, status, _ = manager.execute_process("echo", {"stringInput": "one"}, requested_outputs=None)
    assert (kind, outputs["stringOutput"], status.value) == ("application/json", "one", "successful")
    processor = Processor({**own, "seconds": 0.5})
    with pytest.raises(ProcessorExecuteError, match=r"job \S+ has not ended after 0.5 s"):
        processor.execute({"stringInput": "one", "pause": 5})
    with pytest.raises(ProcessorExecuteError, match="stringInput"):
        processor.execute({"stringInput": 1})


@pytest.mark.usefixtures("worker")
def test_jobs_of_a_status(stock: Stock, demo: Any) -> None:
    id = run(stock, "echo", {"stringInput": "one"}, prefer="respond-async").json()["jobID"]
    ended(stock, id)
    own = {"name": "server.plugins.Processor", "process": "echo", "home": str(demo.home)}
    place = {"name": "server.plugins.JobManager", "connection": {"home": str(demo.home)}}
    manager = JobManager({**place, "processes": {"echo": {"processor": own}}})
    assert id in [one["identifier"] for one in manager.get_jobs(status=JobStatus.successful, limit=20)["jobs"]]
    assert {one["status"] for one in manager.get_jobs(status=JobStatus.dismissed)["jobs"]} <= {"dismissed"}


def test_definitions_that_make_no_sense() -> None:
    with pytest.raises(ConfigurationError, match="home"):
        Processor({"name": "server.plugins.Processor", "process": "echo"})
    connection = {"name": "server.plugins.JobManager", "connection": {"home": "/nowhere"}}
    with pytest.raises(ConfigurationError, match=r"resources\.hello"):
        JobManager({**connection, "processes": {"hello": {"processor": {"name": "HelloWorld"}}}})
    with pytest.raises(ConfigurationError, match=r"manager\.connection"):
        JobManager({"name": "server.plugins.JobManager", "connection": "postgresql://"})


@pytest.mark.usefixtures("worker")
def test_jobs_of_other_processes_do_not_exist_there(stock: Stock, demo: Any) -> None:
    answer = httpx.post(f"{demo.url}/processes/tidy/execution", json={"inputs": {}}, timeout=120)
    id = re.search(r"/jobs/([^>]+)>", answer.headers["link"])[1]  # type: ignore[index]
    assert stock.get(f"/jobs/{id}", f="json").status_code == 404
    assert httpx.delete(f"{stock.url}/jobs/{id}", timeout=60).status_code == 404
    assert demo.json(f"/jobs/{id}")["status"] == "successful"
