"""Every limit is a setting, and holds."""

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
