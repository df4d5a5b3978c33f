"""OGC API - Processes part 1 (18-062r2), by abstract test; where the suite of OGC sees a status, these see values."""

from __future__ import annotations

import email
import json
import re
import time

import httpx
import jsonschema
import pytest

EXCEPTION = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/"
REL = "http://www.opengis.net/def/rel/ogc/1.0/"
LONG = 120
"""Seconds after which a test that waits has failed: a bound for hanging, not a measure."""
DECLARED = ("core", "ogc-process-description", "json", "html", "oas30", "job-list", "callback", "dismiss")
TIFF = "SUkqAAgAAAA="


@pytest.fixture(scope="module")
def demo(executing):
    return executing


@pytest.fixture(scope="module")
def description(demo):
    return demo.json("/processes/echo")


@pytest.fixture(scope="module")
def examples(description):
    """Each input's example."""
    return {
        name: [one["schema"]["example"]] if one["maxOccurs"] > 1 else one["schema"]["example"]
        for name, one in description["inputs"].items()
    }


@pytest.fixture(scope="module")
def execute(demo):
    """POST to the execution of echo: `execute({"stringInput": "a"}, response="document")`; `_` in headers is `-`."""

    def post(inputs=None, *, headers=None, process="echo", **more):
        body = {**({} if inputs is None else {"inputs": inputs}), **more}
        url = f"{demo.url}/processes/{process}/execution"
        return httpx.post(url, json=body, headers=headers, timeout=LONG)

    return post


@pytest.fixture(scope="module")
def ended(demo):
    """Waits for the end of the job of an answer: its status."""

    def wait(answer, *statuses):
        deadline = time.monotonic() + LONG
        while True:
            found = httpx.get(answer.headers["location"], timeout=LONG).json()
            if found["status"] in (statuses or ("successful", "failed", "dismissed")):
                return found
            assert time.monotonic() < deadline, found
            time.sleep(0.05)

    return wait


def is_async(answer):
    """/conf/core/job-creation-success-async: 201, its location, and the status of the new job."""
    assert answer.status_code == 201, answer.text
    status = answer.json()
    assert answer.headers["location"].endswith(f"/jobs/{status['jobID']}")
    assert status["status"] in ("accepted", "running")
    assert (status["type"], status["processID"]) == ("process", "echo")
    return status


def problem(answer, status, kind=""):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert found["type"] == (f"{EXCEPTION}{kind}" if kind else "about:blank")
    assert found["title"]
    return found


# --- what there is ---------------------------------------------------------------------------------------------------


def test_landing_page_leads_to_processes_and_jobs(demo):
    """/conf/core/landingpage-op, /conf/core/landingpage-success"""
    links = {one["rel"]: one["href"] for one in demo.json("/")["links"]}
    assert httpx.get(links[f"{REL}processes"]).json()["processes"]
    assert "jobs" in httpx.get(links[f"{REL}job-list"]).json()


def test_api_definition_names_the_operations(demo):
    """/conf/core/api-definition-op, /conf/core/api-definition-success, /conf/oas30/completeness"""
    paths = demo.json("/openapi")["paths"]
    named = {one["operationId"] for methods in paths.values() for one in methods.values()}
    assert {"getProcesses", "getProcessDescription", "execute", "getJobs", "getStatus", "getResult", "dismiss"} <= named
    assert paths["/processes/{processID}/execution"]["post"]["requestBody"]["required"]


def test_conformance(demo):
    """/conf/core/conformance-op, /conf/core/conformance-success"""
    declared = demo.json("/conformance")["conformsTo"]
    assert {f"http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf/{one}" for one in DECLARED} <= {*declared}


def test_http_1_1_with_its_statuses(demo):
    """/conf/core/http"""
    answer = demo.get("/processes")
    assert (answer.http_version, answer.status_code) == ("HTTP/1.1", 200)
    assert httpx.put(f"{demo.url}/processes/echo/execution", json={}).status_code == 405
    assert httpx.get(f"{demo.url}/processes/echo/execution").headers["allow"] == "POST"


def test_process_list(demo):
    """/conf/core/process-list, /conf/core/process-list-success, /conf/core/pl-links"""
    document = demo.json("/processes")
    ids = [one["id"] for one in document["processes"]]
    assert "echo" in ids
    assert ids == sorted(ids)
    assert {"self", "alternate"} <= {one["rel"] for one in document["links"]}
    for one in document["processes"]:
        assert {"id", "version", "jobControlOptions", "outputTransmission", "links"} <= one.keys()
        [own] = [link for link in one["links"] if link["rel"] == "self"]
        assert httpx.get(own["href"]).json()["id"] == one["id"]


def test_pages_of_the_process_list(demo):
    """/conf/core/pl-limit-definition, /conf/core/pl-limit-response"""
    everything = [one["id"] for one in demo.json("/processes")["processes"]]
    found, url = [], f"{demo.url}/processes?limit=1"
    while url:
        page = httpx.get(url).json()
        assert len(page["processes"]) == 1
        found += [one["id"] for one in page["processes"]]
        url = next((one["href"] for one in page["links"] if one["rel"] == "next"), None)
    assert found == everything
    assert demo.refused("/processes", limit="0")["parameter"] == "limit"


def test_process_description(description):
    """/conf/core/process, /conf/core/process-success, /conf/ogc-process-description/json-encoding"""
    assert set(description["jobControlOptions"]) == {"async-execute", "sync-execute", "dismiss"}
    assert set(description["outputTransmission"]) == {"value", "reference"}
    assert [one["rel"] for one in description["links"]].count(f"{REL}execute") == 1


def test_inputs_and_outputs_are_described(description):
    """/conf/ogc-process-description/inputs-def, input-def, input-mixed-type, outputs-def, output-def,
    output-mixed-type"""
    assert {
        "stringInput", "measureInput", "dateInput", "doubleInput", "arrayInput", "complexObjectInput", "geometryInput",
        "boundingBoxInput", "imagesInput", "featureCollectionInput", "pause",
    } <= description["inputs"].keys()  # fmt: skip
    for one in description["inputs"].values():
        assert one["title"]
        assert one["maxOccurs"] >= 1 >= one["minOccurs"] >= 0
    for one in (*description["inputs"].values(), *description["outputs"].values()):
        assert openapi_words(one["schema"]) <= OPENAPI
    image = description["inputs"]["imagesInput"]["schema"]["anyOf"]
    assert {one["contentMediaType"] for one in image if "contentMediaType" in one} == {
        "image/tiff; application=geotiff", "image/png", "image/jp2",
    }  # fmt: skip


OPENAPI = {
    "title", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength", "minLength",
    "pattern", "maxItems", "minItems", "uniqueItems", "maxProperties", "minProperties", "required", "enum", "type",
    "not", "allOf", "oneOf", "anyOf", "items", "properties", "additionalProperties", "description", "format", "default",
    "nullable", "readOnly", "writeOnly", "example", "deprecated", "contentMediaType", "contentEncoding",
    "contentSchema",
}  # fmt: skip
"""Words of a schema that the standard knows (schema.yaml)."""


def openapi_words(schema):
    found = set(schema)
    assert isinstance(schema.get("type", ""), str)
    assert isinstance(schema.get("exclusiveMinimum", True), bool)
    for word in ("allOf", "oneOf", "anyOf"):
        for one in schema.get(word, ()):
            found |= openapi_words(one)
    for one in schema.get("properties", {}).values():
        found |= openapi_words(one)
    return found | (openapi_words(schema["items"]) if isinstance(schema.get("items"), dict) else set())


def test_every_process_is_described_in_the_standards_words(demo):
    """/conf/ogc-process-description/json-encoding"""
    for summary in demo.json("/processes")["processes"]:
        one = demo.json(f"/processes/{summary['id']}")
        for value in (*one["inputs"].values(), *one["outputs"].values()):
            assert openapi_words(value["schema"]) <= OPENAPI, one["id"]


def test_no_such_process(demo, execute):
    """/conf/core/process-exception-no-such-process, /conf/core/job-creation-op"""
    problem(demo.get("/processes/nothing"), 404, "no-such-process")
    problem(execute({}, process="nothing"), 404, "no-such-process")


# --- how it is run ---------------------------------------------------------------------------------------------------


def test_execution_mode_by_default(execute):
    """/conf/core/job-creation-default-execution-mode"""
    answer = execute({"stringInput": "teststring"}, response="document")
    assert answer.status_code == 200, answer.text
    assert answer.json()["stringOutput"] == "teststring"
    assert "preference-applied" not in answer.headers


def test_execution_mode_as_preferred(execute, ended):
    """/conf/core/job-creation-auto-execution-mode, /conf/core/job-creation-success-async"""
    answer = execute({"stringInput": "teststring"}, headers={"Prefer": "respond-async"})
    is_async(answer)
    assert answer.headers["preference-applied"] == "respond-async"
    assert ended(answer)["status"] == "successful"
    soon = execute({"pause": 60}, headers={"Prefer": "respond-async, wait=1"})
    is_async(soon)
    assert set(soon.headers["preference-applied"].split(", ")) == {"respond-async", "wait=1"}
    httpx.delete(soon.headers["location"])
    waited = execute({"stringInput": "a"}, response="document", headers={"Prefer": "wait=100"})
    assert waited.json()["stringOutput"] == "a"


def test_the_link_to_the_job_of_a_synchronous_answer(execute):
    """/rec/core/job-creation-success-sync: a Link to the job, of relation monitor"""
    answer = execute({"stringInput": "a"}, response="document")
    url = re.search('<([^>]*)>; rel="monitor"', answer.headers["link"])[1]
    assert httpx.get(url).json()["status"] == "successful"


def test_inputs_inline(execute, examples):
    """/conf/core/job-creation-inputs, job-creation-input-inline, job-creation-input-array,
    job-creation-input-inline-mixed, job-creation-input-inline-bbox, job-creation-request"""
    answer = execute(examples, response="document")
    assert answer.status_code == 200, answer.text
    document = answer.json()
    for name, value in examples.items():
        if name.endswith("Input"):
            output = document[name.replace("Input", "Output")]
            assert (output["value"] if isinstance(output, dict) and "href" not in output else output) == value, name


def test_inputs_that_are_objects_stand_in_a_wrapping(execute):
    """/conf/core/job-creation-input-inline-object"""
    thing = {"property1": "a", "property5": True}
    wrapped = {"value": thing, "mediaType": "application/json"}
    answer = execute({"complexObjectInput": wrapped}, response="document")
    assert answer.json()["complexObjectOutput"]["value"] == thing
    wrong = execute({"complexObjectInput": {**wrapped, "mediaType": "text/csv"}})
    assert problem(wrong, 400)["parameter"] == "inputs.complexObjectInput.mediaType"


def test_text_has_the_format_that_it_comes_in(execute):
    """/conf/core/job-creation-input-inline, job-creation-sync-raw-value-one"""
    text = {"value": "a", "mediaType": "text/plain", "encoding": "utf-8"}
    wanted = {"stringOutput": {"format": {"mediaType": "text/plain"}}}
    answer = execute({"stringInput": text}, response="raw", outputs=wanted)
    assert (answer.text, answer.headers["content-type"]) == ("a", "text/plain; charset=utf-8")
    wanted["stringOutput"]["format"]["mediaType"] = "text/csv"
    refused = execute({"stringInput": text}, response="raw", outputs=wanted)
    assert problem(refused, 400)["parameter"] == "outputs.stringOutput.format.mediaType"


def test_inputs_that_are_binary(execute):
    """/conf/core/job-creation-input-inline-binary"""
    image = {"value": TIFF, "encoding": "base64", "mediaType": "image/tiff; application=geotiff"}
    answer = execute({"imagesInput": [image]}, response="document", outputs={"imagesOutput": {}})
    assert answer.json() == {"imagesOutput": [TIFF]}


def test_inputs_by_reference(execute):
    """/conf/core/job-creation-input-ref"""
    image = {"href": "https://www.example.org/image.tif", "type": "image/tiff; application=geotiff"}
    answer = execute({"imagesInput": image}, response="document", outputs={"imagesOutput": {}})
    assert answer.json() == {"imagesOutput": image}


def test_inputs_by_reference_are_fetched(execute, site):
    """/conf/core/job-creation-input-ref; and if that fails, an error."""
    address, folder = site
    point = {"type": "Point", "coordinates": [1.5, 2.5]}
    (folder / "point.json").write_text(json.dumps(point))
    (folder / "text.txt").write_text("ö")
    inputs = {
        "geometryInput": {"href": f"{address}/point.json", "type": "application/geo+json"},
        "stringInput": {"href": f"{address}/text.txt"},
    }
    answer = execute(inputs, response="document", outputs={"geometryOutput": {}, "stringOutput": {}})
    assert answer.json() == {"geometryOutput": {"value": point, "mediaType": "application/json"}, "stringOutput": "ö"}
    key = {"Idempotency-Key": "by-reference", "Prefer": "respond-async"}
    first = execute(inputs, headers=key)
    (folder / "text.txt").unlink()  # the same request is the same job, whatever has become of what its links led to
    assert execute(inputs, headers=key).headers["location"] == first.headers["location"]
    assert execute(inputs | {"stringInput": {"href": f"{address}/point.json"}}, headers=key).status_code == 409
    for href, told in [(f"{address}/none", "404"), ("http://10.0.0.1/a", "not public")]:
        answer = execute({"stringInput": {"href": href}})
        assert answer.status_code == 400
        problem = answer.json()
        assert told in problem["detail"]
        assert "inputs.stringInput" in json.dumps(problem)


@pytest.mark.parametrize(
    ("inputs", "place"),
    [
        ({"stringInput": 3}, "inputs.stringInput"),
        ({"measureInput": {"measurement": "3", "uom": "m"}}, "inputs.measureInput"),
        ({"dateInput": "yesterday"}, "inputs.dateInput"),
        ({"doubleInput": 0}, "inputs.doubleInput"),
        ({"doubleInput": 10.5}, "inputs.doubleInput"),
        ({"arrayInput": [1]}, "inputs.arrayInput"),
        ({"arrayInput": [1, "2"]}, "inputs.arrayInput[1]"),
        ({"complexObjectInput": {"property5": "yes"}}, "inputs.complexObjectInput.property5"),
        ({"geometryInput": {"type": "Point"}}, "inputs.geometryInput"),
        ({"geometryInput": [{"type": "Point", "coordinates": [1, 2]}] * 6}, "inputs.geometryInput"),
        ({"boundingBoxInput": {"bbox": [1, 2, 3]}}, "inputs.boundingBoxInput.bbox"),
        ({"imagesInput": "not base64!"}, "inputs.imagesInput"),
        ({"imagesInput": {"type": "wrong/type"}}, "inputs.imagesInput"),
        ({"featureCollectionInput": {"type": "FeatureCollection"}}, "inputs.featureCollectionInput"),
        ({"pause": -1}, "inputs.pause"),
        ({"fail": "perhaps"}, "inputs.fail"),
        ({"colour": "red"}, "inputs.colour"),
    ],
)
def test_inputs_are_held_against_their_schemas_before_anything_is_stored(demo, execute, inputs, place):
    """/conf/core/job-creation-input-validation"""
    before = demo.json("/jobs", limit=1)["jobs"]
    assert problem(execute(inputs), 400)["parameter"].startswith(place)
    assert [one["jobID"] for one in demo.json("/jobs", limit=1)["jobs"]] == [one["jobID"] for one in before]


def test_outputs_by_default_are_all(execute, examples, description):
    """/conf/core/job-creation-default-outputs"""
    assert execute(examples, response="document").json().keys() == description["outputs"].keys()


def test_outputs_are_those_that_are_wanted(execute):
    """/conf/core/job-creation-success-sync-document (sync-document)"""
    answer = execute({"stringInput": "a", "arrayInput": [1, 2]}, response="document", outputs={"arrayOutput": {}})
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"arrayOutput": [1, 2]}


def test_raw_one_value(execute):
    """/conf/core/job-creation-sync-raw-value-one"""
    text = execute({"stringInput": "teststring"}, response="raw", outputs={"stringOutput": {}})
    assert (text.text, text.headers["content-type"]) == ("teststring", "text/plain; charset=utf-8")
    numbers = execute({"arrayInput": [1, 2]}, response="raw", outputs={"arrayOutput": {"transmissionMode": "value"}})
    assert (numbers.json(), numbers.headers["content-type"]) == ([1, 2], "application/json")


def parts(answer):
    """{Content-ID: (headers, content)} of a multipart answer."""
    head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + answer.content)
    assert message.get_content_type() == "multipart/related"
    return {part["Content-ID"].strip("<>"): (part, part.get_payload(decode=True)) for part in message.get_payload()}


def test_raw_several_values(execute):
    """/conf/core/job-creation-sync-raw-value-multi"""
    wanted = {"stringOutput": {}, "arrayOutput": {}}
    answer = execute({"stringInput": "teststring", "arrayInput": [1, 2]}, response="raw", outputs=wanted)
    found = parts(answer)
    assert found.keys() == wanted.keys()
    assert found["stringOutput"][1] == b"teststring"
    assert found["arrayOutput"][0].get_content_type() == "application/json"


REFERENCE = {"transmissionMode": "reference"}


def test_raw_by_reference(execute):
    """/conf/core/job-creation-sync-raw-ref"""
    wanted = {"stringOutput": REFERENCE, "arrayOutput": REFERENCE}
    answer = execute({"stringInput": "teststring", "arrayInput": [1, 2]}, response="raw", outputs=wanted)
    assert (answer.status_code, answer.content) == (204, b"")
    urls = re.findall('<([^>]*)>; rel="item"', answer.headers["link"])
    assert [httpx.get(url).text for url in urls] == ["teststring", "[1,2]"]


def test_raw_mixed(execute):
    """/conf/core/job-creation-sync-raw-mixed-multi"""
    wanted = {"stringOutput": REFERENCE, "arrayOutput": {"transmissionMode": "value"}}
    answer = execute({"stringInput": "teststring", "arrayInput": [1, 2]}, response="raw", outputs=wanted)
    found = parts(answer)
    assert found["arrayOutput"][1] == b"[1,2]"
    head, content = found["stringOutput"]
    assert content == b""
    assert httpx.get(head["Content-Location"]).text == "teststring"


def test_document_by_reference(execute):
    """/conf/core/job-creation-success-sync-document, with links in place of values"""
    answer = execute({"stringInput": "teststring"}, response="document", outputs={"stringOutput": REFERENCE})
    link = answer.json()["stringOutput"]
    assert httpx.get(link["href"]).text == "teststring"
    assert link["type"].startswith("text/plain")


# --- jobs ------------------------------------------------------------------------------------------------------------


def test_job_and_its_results(demo, execute, ended):
    """/conf/core/job-op, job-success, job-results-op, job-results-async-document"""
    answer = execute({"stringInput": "teststring"}, response="document", headers={"Prefer": "respond-async"})
    status = ended(answer)
    assert (status["status"], status["progress"], status["processID"]) == ("successful", 100, "echo")
    assert status["created"] <= status["started"] <= status["finished"]
    [url] = [one["href"] for one in status["links"] if one["rel"] == f"{REL}results"]
    assert httpx.get(url).json()["stringOutput"] == "teststring"


@pytest.mark.parametrize("response", ["raw", "document"])
def test_results_are_the_same_for_those_who_wait_and_those_who_come_later(execute, ended, response):
    """/conf/core/job-results-async-raw-value-one, -raw-value-multi, -raw-ref, -raw-mixed-multi, -async-document"""
    inputs = {"stringInput": "teststring", "arrayInput": [1, 2]}
    value = {"transmissionMode": "value"}
    for outputs in (
        {"stringOutput": value},
        {"stringOutput": value, "arrayOutput": value},
        {"stringOutput": REFERENCE},
        {"stringOutput": REFERENCE, "arrayOutput": value},
    ):
        now = execute(inputs, response=response, outputs=outputs)
        later = execute(inputs, response=response, outputs=outputs, headers={"Prefer": "respond-async"})
        ended(later)
        found = httpx.get(f"{later.headers['location']}/results")
        assert found.status_code == now.status_code
        kinds = [one.headers.get("content-type", "").partition(";")[0] for one in (now, found)]
        assert kinds[0] == kinds[1]
        assert same(now) == same(found)


def same(answer):
    """What does not differ from job to job."""
    text = re.sub(r"/jobs/[0-9a-f-]{36}", "/jobs/J", answer.text + answer.headers.get("link", ""))
    text = text.partition(", <")[0] if "monitor" in text else text
    return re.sub(r"prismcube-[0-9a-f]{32}|<[^>]*>; rel=.monitor.", "", text)


def test_no_such_job(demo):
    """/conf/core/job-exception-no-such-job, /conf/core/job-results-exception-no-such-job"""
    for path in ("/jobs/nothing", "/jobs/nothing/results", "/jobs/nothing/results/stringOutput", "/jobs/nothing/logs"):
        problem(demo.get(path), 404, "no-such-job")
    problem(httpx.delete(f"{demo.url}/jobs/nothing"), 404, "no-such-job")


def test_results_that_are_not_there_yet(execute):
    """/conf/core/job-results-exception-results-not-ready"""
    answer = execute({"pause": 60}, headers={"Prefer": "respond-async"})
    problem(httpx.get(f"{answer.headers['location']}/results"), 404, "result-not-ready")
    httpx.delete(answer.headers["location"])


def test_results_of_a_job_that_failed(execute, ended):
    """/conf/core/job-results-failed"""
    answer = execute({"fail": "for-good"}, headers={"Prefer": "respond-async"})
    assert ended(answer)["status"] == "failed"
    assert "it was to fail" in problem(httpx.get(f"{answer.headers['location']}/results"), 422)["detail"]
    assert "it was to fail" in problem(execute({"fail": "for-good"}), 422)["detail"]


# --- job-list, dismiss, callback, json, html ------------------------------------------------------------------------


def test_job_list(demo, execute, ended):
    """/conf/job-list/job-list-op, job-list-success, links, processID-mandatory"""
    answer = execute({}, headers={"Prefer": "respond-async"})
    ended(answer)
    document = demo.json("/jobs")
    assert document["jobs"][0]["jobID"] == answer.json()["jobID"]
    assert {"self", "alternate"} <= {one["rel"] for one in document["links"]}
    for one in document["jobs"]:
        assert {"processID", "jobID", "status", "type", "created"} <= one.keys()


def test_dismiss_of_a_running_job(execute, ended):
    """/conf/dismiss/job-dismiss-op, /conf/dismiss/job-dismiss-success"""
    answer = execute({"pause": LONG}, headers={"Prefer": "respond-async"})
    ended(answer, "running")
    dismissed = httpx.delete(answer.headers["location"])
    assert (dismissed.status_code, dismissed.json()["status"]) == (200, "dismissed")
    assert httpx.get(answer.headers["location"]).json()["status"] == "dismissed"
    problem(httpx.get(f"{answer.headers['location']}/results"), 404, "result-not-ready")


def test_dismiss_of_a_job_that_has_ended(execute, ended):
    """/conf/dismiss/job-dismiss-success"""
    answer = execute({}, headers={"Prefer": "respond-async"})
    ended(answer)
    assert httpx.delete(answer.headers["location"]).json()["status"] == "dismissed"
    problem(httpx.get(answer.headers["location"]), 404, "no-such-job")
    problem(httpx.delete(answer.headers["location"]), 404, "no-such-job")


def test_json_and_html(demo, execute, ended):
    """/conf/json/definition, /conf/html/definition, /conf/html/content"""
    job = ended(execute({"stringInput": "a"}, headers={"Prefer": "respond-async"}))["jobID"]
    below = ("", "/results", "/logs", "/tasks", "/graph")
    for path in ("/processes", "/processes/echo", "/jobs", *(f"/jobs/{job}{one}" for one in below)):
        page = demo.ok(path, f="html")
        assert page.headers["content-type"].startswith("text/html"), path
        assert "<h1" in page.text
        assert demo.ok(path, f="json").headers["content-type"] == "application/json"
        assert (
            httpx.get(demo.url + path, headers={"Accept": "text/html"}).headers["content-type"].startswith("text/html")
        )


def test_documents_are_as_the_api_describes_them(demo, execute, ended):
    """/conf/json/content"""
    job = ended(execute({"stringInput": "a"}, headers={"Prefer": "respond-async"}))["jobID"]
    document = demo.json("/openapi")
    for template in ("/processes", "/processes/{processID}", "/jobs", "/jobs/{jobID}", "/jobs/{jobID}/graph"):
        content = document["paths"][template]["get"]["responses"]["200"]["content"]["application/json"]
        found = demo.json(template.format(processID="echo", jobID=job))
        jsonschema.validate(found, {**content["schema"], "components": document["components"]})
