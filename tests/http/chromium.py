"""A real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, expect, sync_playwright

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WAIT_MS = 120_000  # a bound for hanging, not a measure


@contextmanager
def started(missing: Callable[[str], None]) -> Iterator[Browser]:
    """Until the block ends."""
    path = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if path is None:
        missing(f"no browser: none of {', '.join(CHROMIUM)} is on the PATH; apt install chromium")
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield browser
        browser.close()
