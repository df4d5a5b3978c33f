"""Every limit is a setting, and holds."""

import httpx
import pytest

TINY = {
    "LIMITS__ANSWER_BYTES": "100000",
    "LIMITS__WORKING_BYTES": "1000000",
    "LIMITS__READ_BYTES": "400000",
    "LIMITS__PIXELS": "50000",
    "LIMITS__SLICES": "20",
    "LIMITS__JSON_VALUES": "500",
    "LIMITS__ITEMS": "7",
    "LIMITS__DEFAULT_ITEMS": "3",
    "LIMITS__VERTICES": "10",
    "LIMITS__URL_BYTES": "600",
    "SERVE__PUBLIC_URL": "https://eo.example.org/api",
}
S2 = "/collections/s2-romania"


@pytest.fixture(scope="module")
def small(demo, start):
    """A second server over the demo's catalogue, with tiny limits."""
    with start(demo.home, "serve", "--workers", "1", **TINY) as server:
        yield server


@pytest.mark.parametrize(
    ("path", "params", "what"),
    [
        ("coverage", {"datetime": "2016-03-18", "width": 300, "properties": "B4"}, "bytes of answer"),
        (
            "coverage",
            {"datetime": "2016", "group": "all", "mosaic": "median", "properties": "B4", "f": "json"},
            "working memory",
        ),
        ("coverage", {"group": "year", "datetime": "2016/2018", "width": 10, "properties": "B4"}, "bytes to read"),
        (
            "coverage",
            {"datetime": "2016-03-18", "width": 120, "properties": "B4", "resampling": "lanczos"},
            "pixels to compute",
        ),
        ("coverage", {"width": 2, "properties": "B4"}, "time steps"),
        (
            "coverage",
            {"datetime": "2016-03-18", "width": 30, "f": "json", "properties": "B4"},
            "values in a text answer",
        ),
        ("position", {"coords": "POINT(22.1522 45.2048)"}, "time steps"),
    ],
)
def test_budgets(small, demo, path, params, what):
    assert what in small.refused(f"{S2}/{path}", status=413, **params)["detail"]
    demo.ok(f"{S2}/{path}", **params)


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("coverage", {"datetime": "2016-03-18", "width": 300, "properties": "B4"}),
        ("coverage", {"group": "year", "datetime": "2016/2018", "width": 10, "properties": "B4"}),
        ("coverage", {"width": 2, "properties": "B4"}),
        ("cube", {"bbox": "22.14,45.20,22.16,45.21", "datetime": "2016", "parameter_name": "B4", "f": "netcdf"}),
    ],
)
def test_a_cube_that_is_too_large_is_refused_with_the_job_that_can_make_it(small, path, params):
    problem = small.refused(f"{S2}/{path}", status=413, **params)
    href = "https://eo.example.org/api/processes/export-cube"
    assert problem["process"] == "export-cube"
    [link] = problem["links"]
    assert (link["href"], link["rel"]) == (href, "related")
    assert problem["detail"].endswith(f"or let the process export-cube make it as a job: {href}")
    assert small.json("/processes/export-cube")["id"] == "export-cube"


def test_a_job_is_named_where_it_can_do_it_only(small, demo):
    """Not of a time step beyond its memory, and not of pictures and series, which it does not make."""
    for problem in (
        demo.refused(f"{S2}/coverage", status=413, width=60_000, height=60_000, datetime="2016-03-18"),
        small.refused(f"{S2}/position", status=413, coords="POINT(22.1522 45.2048)"),
        small.refused(f"{S2}/map", status=413, width=300, height=300, datetime="2016-03-18"),
    ):
        assert "export-cube" not in str(problem)
        assert not {"process", "links"} & problem.keys()


def test_an_estimate_names_the_job_too(small):
    told = small.json(f"{S2}/coverage", datetime="2016-03-18", width=300, properties="B4", estimate="true")
    assert told["fits"] is False
    assert "let the process export-cube make it" in told["reason"]


def test_a_page_leads_to_the_process(small):
    headers = {"Accept": "text/html"}
    page = httpx.get(f"{small.url}{S2}/coverage?width=300&datetime=2016-03-18&f=geotiff", headers=headers, timeout=60)
    assert page.status_code == 413
    assert 'href="https://eo.example.org/api/processes/export-cube?f=html"' in page.text


def test_a_geometry_has_a_largest_number_of_vertices(small, demo):
    ring = ",".join(f"{22.15 + i / 10000} {45.20 + i * i / 100000}" for i in range(12))
    coords = {"coords": f"POLYGON(({ring},22.15 45.20))", "reducer": "count", "datetime": "2016-03-18"}
    assert "at most 10" in small.refused(f"{S2}/area", status=413, **coords)["detail"]
    demo.ok(f"{S2}/area", **coords)


def test_items_a_page(small):
    assert small.json(f"{S2}/items")["numberReturned"] == 3
    assert small.json(f"{S2}/items", limit=100)["numberReturned"] == 7


def test_length_of_an_address(small, demo):
    path = f"/collections?x={'a' * 700}"
    small.refused(path, status=414)
    demo.refused(path, status=400)


def test_links_name_the_public_address(small):
    links = small.json(f"{S2}/items", limit=2)["links"] + small.json("/")["links"]
    assert all(link["href"].startswith("https://eo.example.org/api/") for link in links)


@pytest.mark.parametrize("path", ["/collections", "/api/collections"])
def test_the_prefix_of_the_public_address_may_be_left_on(small, path):
    assert small.json(path)["links"][0]["href"] == "https://eo.example.org/api/collections"
