"""The viewer and the HTML pages in a real browser: Debian's Chromium, driven by Playwright.

The pages forbid `eval`, so `page.wait_for_function` does not work in them; wait for elements instead.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import rasterio
from playwright.sync_api import Browser, Page, Request, Response, expect

from tests.http.chromium import WAIT_MS

DATES = 140
SETTLED = "body[data-ready=true]:not(.loading)"
CLEAR = "#collection=s2-romania&date=2020-08-29"
"""The address of a picture without clouds; no point is chosen in it."""


class Visit:
    """A browser page on the demo's server, and all it asked for."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.requests: list[str] = []
        self.problems: list[str] = []
        """What must not happen: errors of the page, refused or failed requests, requests to other hosts."""
        page.set_default_timeout(WAIT_MS)
        page.on("request", self._asked)
        page.on("response", self._answered)
        page.on("requestfailed", self._failed)
        page.on("console", lambda message: message.type == "error" and self.problems.append(message.text))
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    def open(self, address: str = "") -> Page:
        """Opens the viewer and waits until its tiles are there."""
        self.page.goto(f"{self.url}/viewer{address}")
        self.page.wait_for_selector(SETTLED, state="attached")
        return self.page

    def state(self) -> dict[str, str]:
        """The parts of the address after the #."""
        return {name: values[0] for name, values in parse_qs(urlsplit(self.page.url).fragment).items()}

    def centre(self, size: int = 100) -> np.ndarray:
        """The picture in the middle of the map, (3, size, size)."""
        picture = self.page.locator("#map").screenshot()
        with rasterio.MemoryFile(picture) as memory, memory.open() as file:
            pixels = file.read([1, 2, 3])
        top, left = (pixels.shape[1] - size) // 2, (pixels.shape[2] - size) // 2
        return pixels[:, top : top + size, left : left + size]

    def _asked(self, request: Request) -> None:
        self.requests.append(request.url)
        if not request.url.startswith((self.url + "/", "data:", "blob:")):
            self.problems.append(f"another host: {request.url}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.problems.append(f"{response.status}: {response.url}")

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # the page gave up an answer it no longer needs
            self.problems.append(f"{request.failure}: {request.url}")


@pytest.fixture
def visit(browser: Browser, demo: Any) -> Iterator[Visit]:
    page = browser.new_page(viewport={"width": 1360, "height": 850})
    visit = Visit(page, demo.url)
    yield visit
    page.close()
    assert visit.problems == []


def test_first_view_is_the_series_in_the_middle_and_its_last_clear_date(visit: Visit, demo: Any) -> None:
    page = visit.open()
    expect(page.locator(".card")).to_have_count(2)
    expect(page.locator(".card[data-id=l8-paraguay] .count")).to_have_text("1 date")
    expect(page.locator(".card[data-id=s2-romania] .count")).to_have_text(f"{DATES} dates")
    expect(page.locator(f"#series[data-points='{DATES}']")).to_be_visible()
    expect(page).to_have_url(re.compile("date=.*point="))
    state = visit.state()
    assert (state["collection"], state["field"]) == ("s2-romania", "ndvi")
    series = api_series(demo, state)
    assert state["date"] == max(time for time, value in series.items() if value is not None)[:10]


def test_choosing_a_collection_shows_its_dates(visit: Visit) -> None:
    page = visit.open("#collection=l8-paraguay")
    expect(page.locator("#date-note")).to_have_text("1 of 1 · 2 records")
    page.locator(".card[data-id=s2-romania]").click()
    expect(page.locator("#date-note")).to_contain_text(f"of {DATES}")
    expect(page.locator("#date-slider")).to_have_attribute("max", str(DATES - 1))
    expect(page.locator("#field")).to_have_value("ndvi")


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_tiles_are_drawn(visit: Visit) -> None:
    page = visit.open(CLEAR)
    wait_until(lambda: colours(visit.centre()) > 300)
    page.locator("#opacity").fill("0")
    wait_until(lambda: colours(visit.centre()) < 10)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_enlarged_pixels_are_squares(visit: Visit) -> None:
    visit.open(f"{CLEAR}&view=22.15160,45.20870,20")  # the bank of the river
    pictures = [visit.centre(64)]

    def still() -> bool:
        pictures.append(visit.centre(64))
        return colours(pictures[-1]) > 1 and np.array_equal(pictures[-1], pictures[-2])

    wait_until(still)
    # A tile pixel is at least 16 pixels of the screen wide, so the crop holds 25 at most; a blur has over a hundred.
    assert colours(pictures[-1]) <= 25
    levels = {tile_level(url) for url in visit.requests if "/map/tiles/" in url}
    assert max(levels) <= 16, "10 m pixels need no finer tiles"


def test_previous_and_next_date(visit: Visit, demo: Any) -> None:
    days = [one["properties"]["datetime"] for one in demo.json("/collections/s2-romania/items", limit=200)["features"]]
    days.sort()
    at = days.index("2020-08-29T00:00:00Z")
    page = visit.open(CLEAR)
    expect(page.locator("#date-day")).to_have_text("29 Aug 2020")
    shown_after(page, lambda: page.locator("#next").click(), days[at + 1])
    expect(page.locator("#date-day")).to_have_text(re.compile("^03 Sept? 2020$"))
    expect(page).to_have_url(re.compile("date=2020-09-03"))
    shown_after(page, lambda: page.locator("#date-slider").fill(str(at - 1)), days[at - 1])
    expect(page.locator("#date-note")).to_have_text(f"{at} of {DATES} · 1 record")
    shown_after(page, lambda: page.locator("#prev").click(), days[at - 2])
    expect(page.locator("#date-slider")).to_have_value(str(at - 2))


def test_series_of_a_point_agrees_with_the_api(visit: Visit, demo: Any) -> None:
    page = visit.open(CLEAR)
    expect(page.locator("#series-note")).to_contain_text("Click on the map")
    page.locator("#map").focus()
    page.keyboard.press("Enter")
    check_chart(visit, demo, "ndvi")
    page.locator("#field").select_option("B4")
    check_chart(visit, demo, "B4")
    page.locator("#clear").click()
    expect(page.locator("#series[data-points]")).to_have_count(0)


def test_click_on_the_map_draws_the_series_of_that_place(visit: Visit, demo: Any) -> None:
    page = visit.open(CLEAR)
    box = page.locator("#map").bounding_box()
    assert box is not None
    page.locator("#map").click(position={"x": box["width"] / 2 + 80, "y": box["height"] / 2 + 40})
    check_chart(visit, demo, "ndvi")
    lon, lat = map(float, visit.state()["point"].split(","))
    assert 22.1523 < lon < 22.1594
    assert 45.2000 < lat < 45.2047


def test_fits_a_narrow_window(visit: Visit) -> None:
    visit.page.set_viewport_size({"width": 800, "height": 850})
    page = visit.open(CLEAR)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for part in ("#map", "#date-slider", "#chart", "#panel"):
        expect(page.locator(part)).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("path", ["/", "/collections", "/collections/s2-romania", "/conformance"])
def test_html_page(visit: Visit, path: str) -> None:
    page = visit.page
    page.goto(f"{visit.url}{path}?f=html")
    expect(page.locator("h1")).to_be_visible()
    assert page.evaluate("document.styleSheets[0].cssRules.length") > 0


def test_links_lead_from_the_landing_page_to_the_map(visit: Visit) -> None:
    page = visit.page
    page.goto(f"{visit.url}/?f=html")
    page.locator(".card").filter(has_text="Paraguay").click()
    page.get_by_role("link", name="Show on the map").click()
    expect(page.locator(".card[aria-current=true]")).to_have_attribute("data-id", "l8-paraguay")


def check_chart(visit: Visit, demo: Any, field: str) -> None:
    """Waits for the series of a field; its counts must be those of the API at the point in the address."""
    page = visit.page
    expect(page.locator("#chart")).to_have_attribute("aria-label", re.compile(f"^Series of {field} at "))
    expect(page).to_have_url(re.compile(f"point=.*field={field}"))
    nulls = sum(value is None for value in api_series(demo, visit.state()).values())
    series = page.locator("#series")
    expect(series).to_have_attribute("data-points", str(DATES))
    expect(series).to_have_attribute("data-nulls", str(nulls))
    assert (nulls > 0) == (field == "ndvi"), "the clouds are masked in NDVI alone"
    expect(page.locator("#chart canvas")).to_be_visible()


def api_series(demo: Any, state: dict[str, str]) -> dict[str, float | None]:
    """What the API answers for the collection, point and field of an address: value by time."""
    lon, lat = state["point"].split(",")
    field = state["field"]
    path = f"/collections/{state['collection']}/position"
    answer = demo.json(path, coords=f"POINT({lon} {lat})", parameter_name=field, f="json")
    return dict(zip(answer["domain"]["axes"]["t"]["values"], answer["ranges"][field]["values"], strict=True))


def shown_after(page: Page, action: Callable[[], None], datetime: str) -> None:
    """The action must make the page ask for tiles of a date."""
    with page.expect_response(
        lambda answer: "/map/tiles/" in answer.url and parse_qs(urlsplit(answer.url).query)["datetime"] == [datetime]
    ):
        action()


def wait_until(condition: Callable[[], bool]) -> None:
    """Each try takes a screenshot, which is pause enough."""
    deadline = time.monotonic() + WAIT_MS / 1000
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"


def colours(pixels: np.ndarray) -> int:
    return len(np.unique(pixels.reshape(len(pixels), -1), axis=1).T)


def tile_level(url: str) -> int:
    """.../WebMercatorQuad/14/5880/9200?... -> 14"""
    return int(urlsplit(url).path.split("/")[-3])
