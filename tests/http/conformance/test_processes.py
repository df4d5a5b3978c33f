"""OGC API - Processes part 1 (18-062r2), by abstract test: what there is, jobs and their results.

How processes are run is in `test_process_execution.py`. Where the suite of OGC sees a status, these see values.
"""

from __future__ import annotations

import re

import httpx
import jsonschema
import pytest

from tests.http.conformance.answers import LONG, REFERENCE, REL, problem

DECLARED = ("core", "ogc-process-description", "json", "html", "oas30", "job-list", "callback", "dismiss")


@pytest.fixture(scope="module")
def demo(executing):
    return executing


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
