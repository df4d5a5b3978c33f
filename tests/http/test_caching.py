"""How long answers may be kept, by kind, and how a client learns that it has the newest (RFC 9110, RFC 9111)."""

import httpx
import pytest

DATE = "datetime=2016-03-18"
S2 = "/collections/s2-romania"

DOCUMENTS = ["/", "/conformance", "/openapi", "/collections", S2, f"{S2}?f=html", f"{S2}/items"]
PIXELS = [f"{S2}/coverage?{DATE}&f=png&properties=B4", f"{S2}/position?coords=POINT(22.1522 45.2048)&{DATE}"]
FILES = ["/viewer/assets/app.js", "/assets/pages.css"]
PROBLEMS = ["/nowhere", "/collections/none", f"{S2}/coverage?colour=red", f"{S2}/items?colour=red", "/?colour=red"]


def control(headers):
    return {part.strip().partition("=")[0] for part in headers["cache-control"].split(",")}


@pytest.mark.parametrize("path", [*DOCUMENTS, *PIXELS, *FILES, "/viewer"])
def test_a_client_that_has_the_answer_is_told_so(demo, path):
    answer = demo.ok(path)
    etag = answer.headers["etag"]
    for seen in (etag, f'"other", W/{etag.removeprefix("W/")}', "*"):
        again = httpx.get(demo.url + path, headers={"If-None-Match": seen})
        assert (again.status_code, again.content) == (304, b""), seen
        assert again.headers["etag"] == etag
        assert again.headers["cache-control"] == answer.headers["cache-control"]
        assert "content-type" not in again.headers
    assert httpx.get(demo.url + path, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("path", DOCUMENTS)
def test_documents_are_asked_for_each_time(demo, path):
    headers = demo.ok(path).headers
    assert "no-cache" in control(headers)
    assert {"Accept", "Accept-Language"} <= {part.strip() for part in headers["vary"].split(",")}


@pytest.mark.parametrize("path", PIXELS)
def test_pixels_do_not_vary_by_language(demo, path):
    assert "Accept-Language" not in demo.ok(path).headers["vary"]


@pytest.mark.parametrize("path", FILES)
def test_files_of_the_program_are_kept(demo, path):
    headers = demo.ok(path).headers
    assert control(headers) == {"public", "max-age"}
    assert "last-modified" in headers
    since = httpx.get(demo.url + path, headers={"If-Modified-Since": headers["last-modified"]})
    assert since.status_code == 304


@pytest.mark.parametrize("path", PROBLEMS)
def test_problems_are_not_kept(demo, path):
    answer = demo.get(path)
    assert answer.status_code >= 400
    assert control(answer.headers) == {"no-store"}


@pytest.mark.parametrize("path", [*DOCUMENTS, *PIXELS, *FILES, *PROBLEMS, "/viewer", "/healthz"])
def test_head_has_the_headers_of_get(demo, path):
    own = {"date", "x-request-id"}
    get, head = httpx.get(demo.url + path, timeout=60), httpx.head(demo.url + path, timeout=60)
    assert head.status_code == get.status_code
    assert head.content == b""
    # An id of the request is part of a problem; its length is always the same.
    assert {n: v for n, v in head.headers.items() if n not in own} == {
        n: v for n, v in get.headers.items() if n not in own
    }
