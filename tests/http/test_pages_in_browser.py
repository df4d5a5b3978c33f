"""The HTML pages in a real browser: they work offline, with maps and charts of real data, by keyboard and on phones.

The pages forbid `eval`, so `page.wait_for_function` does not work in them; wait for elements instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from shapely.geometry import Point, shape

from tests.http.chromium import WAIT_MS

SETTLED = "body[data-ready=true]:not(.loading)"
PAGES = [
    "/", "/conformance", "/openapi", "/collections", "/collections/s2-romania", "/collections/s2-romania/items",
    "/collections/l8-paraguay/locations", "/catalogue", "/catalogue/datasets", "/catalogue/collections/s2-romania",
    "/processes", "/processes/echo", "/jobs",
]  # fmt: skip


@pytest.fixture
def page(browser: Browser, demo: Any) -> Iterator[Page]:
    """A page that must ask no other host, meet no refusal and log no error (a refused inline script is one)."""
    page = browser.new_page(viewport={"width": 1280, "height": 850})
    page.set_default_timeout(WAIT_MS)
    problems: list[str] = []
    here = (demo.url + "/", "data:", "blob:")
    page.on("request", lambda one: one.url.startswith(here) or problems.append(f"another host: {one.url}"))
    page.on("response", lambda one: one.status >= 400 and problems.append(f"{one.status}: {one.url}"))
    page.on("console", lambda one: one.type == "error" and problems.append(one.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    page.close()
    assert problems == []


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("width", [1280, 360])
def test_a_page_stands_alone_and_fits(page: Page, demo: Any, path: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"{demo.url}{path}")  # Accept: text/html,... as browsers send it
    expect(page.locator("main h1")).to_have_count(1)
    expect(page.locator("header nav a")).to_have_count(5)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"
    assert page.evaluate("[...document.images].every(one => one.hasAttribute('alt'))")
    assert page.evaluate("getComputedStyle(document.querySelector('header')).backgroundColor") == "rgb(17, 25, 32)"
    alternate = page.locator("link[rel=alternate]").get_attribute("href")
    assert demo.get(alternate.removeprefix(demo.url)).headers["content-type"].split(";")[0].endswith("json")


def test_the_keyboard_skips_to_the_content(page: Page, demo: Any) -> None:
    page.goto(f"{demo.url}/collections/s2-romania")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    expect(page.locator(".skip")).to_be_in_viewport()


def test_a_collection_shows_its_last_clear_date_and_the_series_in_its_middle(page: Page, demo: Any) -> None:
    with page.expect_response(lambda answer: "/map/tiles/" in answer.url) as tile:
        page.goto(f"{demo.url}/collections/s2-romania")
    page.wait_for_selector(SETTLED, state="attached")
    series = page.locator("#series")
    expect(series).to_have_attribute("data-points", "140")
    point = re.search(r"at ([\d.]+)° N, ([\d.]+)° E", page.locator("#chart").get_attribute("aria-label") or "")
    assert point
    answer = demo.json(
        "/collections/s2-romania/position", coords=f"POINT({point[2]} {point[1]})", parameter_name="ndvi", f="json"
    )
    values = answer["ranges"]["ndvi"]["values"]
    expect(series).to_have_attribute("data-nulls", str(values.count(None)))
    last = max(t for t, v in zip(answer["domain"]["axes"]["t"]["values"], values, strict=True) if v is not None)
    assert last.replace(":", "%3A") in tile.value.url


def test_a_click_on_the_map_draws_the_series_of_that_place(page: Page, demo: Any) -> None:
    page.goto(f"{demo.url}/collections/s2-romania")
    page.wait_for_selector(SETTLED, state="attached")
    before = page.locator("#chart").get_attribute("aria-label")
    page.locator("#map").click(position={"x": 560, "y": 230})
    expect(page.locator("#chart")).not_to_have_attribute("aria-label", str(before))
    page.locator("#field").select_option("B4")
    expect(page.locator("#chart")).to_have_attribute("aria-label", re.compile("^Series of B4 at .* 0 without"))


def test_items_lead_to_their_own_pages_and_to_the_next(page: Page, demo: Any) -> None:
    page.goto(f"{demo.url}/collections/s2-romania/items?limit=3")
    page.wait_for_selector(SETTLED, state="attached")
    features = demo.json("/collections/s2-romania/items", limit=6)["features"]
    expect(page.locator("tbody tr")).to_have_count(3)
    expect(page.locator("tbody")).to_contain_text(features[2]["properties"]["name"])
    page.get_by_role("link", name="Next").click()
    expect(page.locator("tbody")).to_contain_text(features[3]["properties"]["name"])
    page.locator("tbody a").first.click()
    expect(page.locator("h1")).to_have_text(features[3]["properties"]["name"])
    page.wait_for_selector(SETTLED, state="attached")


def test_locations_are_drawn_and_lead_to_their_data(page: Page, demo: Any) -> None:
    page.goto(f"{demo.url}/collections/l8-paraguay/locations?limit=1")
    page.wait_for_selector(SETTLED, state="attached")
    first, second = demo.json("/collections/l8-paraguay/locations")["features"]
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody a")).to_have_text(first["properties"]["label"])
    expect(page.locator("tbody a")).to_have_attribute("href", first["properties"]["edrqueryendpoint"])
    page.get_by_role("link", name="Next").click()
    expect(page.locator("tbody a")).to_have_text(second["properties"]["label"])


def test_the_catalogue_leads_from_kinds_to_entities(page: Page, demo: Any) -> None:
    page.goto(f"{demo.url}/catalogue")
    page.get_by_role("link", name="records", exact=True).click()
    expect(page.locator("tbody tr")).to_have_count(100)
    page.get_by_role("link", name="Next").click()
    expect(page.locator("tbody tr")).to_have_count(42)
    page.locator("tbody a").first.click()
    record = demo.json(f"/catalogue/records/{page.url.partition('?')[0].rpartition('/')[2]}")
    expect(page.locator("h1")).to_have_text(record["name"])
    expect(page.locator("main")).to_contain_text(record["time"])


@pytest.mark.parametrize(("kind", "geometry"), [("aois", "geometry"), ("datasets", "footprint")])
def test_an_entity_that_lies_somewhere_is_on_a_map(page: Page, demo: Any, kind: str, geometry: str) -> None:
    [entity] = demo.json(f"/catalogue/{kind}", limit=1)["entities"]
    page.goto(f"{demo.url}/catalogue/{kind}/{entity['id']}")
    page.wait_for_selector(SETTLED, state="attached")
    page.locator("#map").hover()  # its middle
    pointed = re.search(r"([\d.]+)° ([NS]), ([\d.]+)° ([EW])", page.locator("#pointer").text_content() or "")
    assert pointed
    y, x = float(pointed[1]) * (1 if pointed[2] == "N" else -1), float(pointed[3]) * (1 if pointed[4] == "E" else -1)
    assert shape(entity[geometry]).envelope.contains(Point(x, y))


def test_an_entity_that_lies_nowhere_has_no_map(page: Page, demo: Any) -> None:
    [entity] = demo.json("/catalogue/variables", limit=1)["entities"]
    page.goto(f"{demo.url}/catalogue/variables/{entity['id']}")
    expect(page.locator("h1")).to_have_text(entity["name"])
    expect(page.locator("#map")).to_have_count(0)


def test_the_search_form_asks_only_for_what_is_filled_in(page: Page, demo: Any) -> None:
    page.goto(f"{demo.url}/collections")
    expect(page.locator(".card")).to_have_count(2)
    page.locator("input[name=q]").fill("paraguay")
    page.keyboard.press("Enter")
    expect(page.locator(".card")).to_have_count(1)
    assert page.url.endswith("/collections?f=html&q=paraguay")


def test_every_example_on_the_page_of_the_api_answers(page: Page, demo: Any) -> None:
    page.goto(f"{demo.url}/openapi")
    addresses = page.evaluate("[...document.querySelectorAll('.operation p a')].map(one => one.href)")
    assert len(addresses) > 10
    for address in addresses:
        answer = demo.get(address.removeprefix(demo.url))
        assert answer.status_code == 200, address
        assert answer.content


def test_an_error_is_a_page_for_people_and_a_problem_for_programs(browser: Browser, demo: Any) -> None:
    page = browser.new_page()
    page.goto(f"{demo.url}/collections/atlantis")
    expect(page.locator("h1")).to_have_text("Not Found")
    page.goto(f"{demo.url}/collections/s2-romania/coverage?colour=red")
    expect(page.locator("main")).to_contain_text("colour")
    assert page.evaluate("document.styleSheets.length") == 1
    page.close()
    assert demo.refused("/collections/s2-romania/coverage", colour="red")["parameter"] == "colour"
