"""Pages of processes and jobs in a real browser: a job is estimated, submitted, watched, cancelled and retried."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.http.chromium import WAIT_MS


@pytest.fixture(scope="module")
def demo(executing: Any) -> Any:
    return executing


@pytest.fixture
def problems() -> list[str]:
    """What a page has asked or logged that it must not."""
    return []


@pytest.fixture
def page(browser: Browser, demo: Any, problems: list[str]) -> Iterator[Page]:
    """A page that must ask no other host and log no error, such as that of a refused script."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(WAIT_MS)
    here = (demo.url + "/", "data:", f"blob:{demo.url}/")
    page.on("request", lambda one: one.url.startswith(here) or problems.append(f"another host: {one.url}"))
    page.on("console", lambda one: one.type == "error" and problems.append(one.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    page.close()
    assert [one for one in problems if "status of 40" not in one] == []  # refusals that a test asks for


def run(page: Page, demo: Any, inputs: str) -> None:
    page.goto(f"{demo.url}/processes/echo")
    page.locator("#inputs").fill(inputs)
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url(re.compile("/jobs/[0-9a-f-]{36}"))


TIMERS = """
window.timers = new Set();
const [set, clear] = [window.setTimeout, window.clearTimeout];
window.setTimeout = (call, wait) => {
  const id = set(() => { timers.delete(id); call(); }, wait);
  timers.add(id);
  return id;
};
window.clearTimeout = (id) => { timers.delete(id); clear(id); };
"""
"""Keeps which timers of a page are running."""


def test_a_job_is_submitted_and_watched_to_its_end(page: Page, demo: Any) -> None:
    page.add_init_script(TIMERS)
    run(page, demo, '{"stringInput": "seen", "pause": 3}')
    status = page.locator("#status")
    expect(status).to_have_text("running")
    expect(page.locator("#log")).to_contain_text("waits for 3 seconds")
    expect(page.locator("#percent")).to_have_text(re.compile("[1-9][0-9]? %"))
    expect(page.locator("#outcome")).to_be_hidden()
    expect(status).to_have_text("successful")  # without a reload
    expect(page.locator("#percent")).to_have_text("100 %")
    assert page.evaluate("document.getElementById('graph').naturalWidth") > 200
    page.evaluate("new Promise((done) => setTimeout(done, 500))")
    assert page.evaluate("timers.size") == 0  # it is not asked for again by itself
    with page.expect_request("**/logs?newest=true**"):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.get_by_role("link", name="Results", exact=True).click()
    expect(page.locator("main")).to_contain_text("seen")


def test_a_job_is_cancelled_by_its_button(page: Page, demo: Any) -> None:
    run(page, demo, '{"pause": 3000}')
    expect(page.locator("#status")).to_have_text("running")
    page.get_by_role("button", name="cancel").click()
    expect(page.locator("#status")).to_have_text("dismissed")
    expect(page.get_by_role("button", name="cancel")).to_have_count(0)


def test_a_lost_connection_is_told(page: Page, demo: Any, problems: list[str]) -> None:
    run(page, demo, '{"pause": 3000}')
    expect(page.locator("#status")).to_have_text("running")
    page.route("**/cancel", lambda route: route.abort())
    page.get_by_role("button", name="cancel").click()
    expect(page.locator("#told")).to_contain_text("fetch")
    problems.clear()
    page.unroute("**/cancel")
    page.get_by_role("button", name="cancel").click()
    expect(page.locator("#status")).to_have_text("dismissed")


def test_a_failed_job_is_retried_by_its_button(page: Page, demo: Any) -> None:
    run(page, demo, '{"fail": "until-retried"}')
    expect(page.locator("#status")).to_have_text("failed")
    expect(page.locator("#message")).to_contain_text("it was to fail")
    expect(page.locator("#log tr.error")).to_have_count(2)
    page.get_by_role("button", name="retry").click()
    expect(page.locator("#status")).to_have_text("successful")


def test_a_job_that_runs_is_begun_anew_by_its_button(page: Page, demo: Any) -> None:
    run(page, demo, '{"pause": 3000}')
    page.get_by_role("button", name="force-retry").click()
    expect(page.locator("#log")).to_contain_text("retried by force")
    page.get_by_role("button", name="cancel").click()
    expect(page.locator("#status")).to_have_text("dismissed")


def test_a_job_waits_for_continue(page: Page, demo: Any) -> None:
    page.goto(f"{demo.url}/processes/echo")
    page.get_by_label("Waits for").select_option("all")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("#status")).to_have_text("waits for you")
    page.get_by_role("button", name="continue").click()
    expect(page.locator("#status")).to_have_text("successful")


def test_examples_are_put_in_and_mistakes_told(page: Page, demo: Any) -> None:
    page.goto(f"{demo.url}/processes/echo")
    page.get_by_role("button", name="geometryInput").click()
    page.get_by_role("button", name="boundingBoxInput").click()
    assert '"ogc' not in page.locator("#inputs").input_value()
    page.get_by_role("button", name="Estimate").click()
    expect(page.locator("#told")).to_contain_text("tasks 1")
    page.locator("#inputs").fill('{"stringInput": 3}')
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("#told")).to_contain_text("inputs.stringInput")
    page.locator("#inputs").fill("{")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator("#told")).to_contain_text("not JSON")


@pytest.mark.parametrize("width", [1280, 360])
def test_pages_fit(page: Page, demo: Any, width: int) -> None:
    run(page, demo, "{}")
    expect(page.locator("#status")).to_have_text("successful")
    page.set_viewport_size({"width": width, "height": 800})
    for address in (page.url, f"{demo.url}/jobs", f"{demo.url}/processes", f"{demo.url}/processes/consolidate"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
        wide = "[...document.querySelectorAll('.diagram')].filter((one) => one.scrollWidth > one.clientWidth).length"
        assert page.evaluate(wide) == 0, address


def test_the_list_is_searched(page: Page, demo: Any) -> None:
    run(page, demo, "{}")
    page.goto(f"{demo.url}/jobs")
    page.get_by_label("Process").fill("nothing")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("No jobs")
    page.get_by_label("Process").fill("echo")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr").first).to_contain_text("echo")
