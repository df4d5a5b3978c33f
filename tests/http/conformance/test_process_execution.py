"""OGC API - Processes part 1 (18-062r2), by abstract test: how processes are run.

Modes, inputs and outputs. Where the suite of OGC sees a status, these see values.
"""

from __future__ import annotations

import email
import json
import re

import httpx
import pytest

from tests.http.conformance.answers import REFERENCE, is_async, problem

TIFF = "SUkqAAgAAAA="


@pytest.fixture(scope="module")
def demo(executing):
    return executing


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
