"""What every tier of tests shares: real images, a free port, markers by folder.

    PRISMCUBE_TEST_DATA   the folder of real test images; default: ../shared/data beside the repository
    CI=true               what is missing is then a failure, never a skip

Both are environment variables.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TIERS = ("unit", "integration", "http")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        parts = item.path.relative_to(ROOT / "tests").parts if item.path.is_relative_to(ROOT / "tests") else ()
        if parts and parts[0] in TIERS:
            item.add_marker(parts[0])
        if "shared_data" in getattr(item, "fixturenames", ()):
            item.add_marker("shared_data")


@pytest.fixture(scope="session")
def missing() -> Callable[[str], None]:
    """Call it with what is missing and how to get it: skips the test, or fails it when CI=true."""

    def report(reason: str) -> None:
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)

    return report


@pytest.fixture(scope="session")
def shared_data(missing: Callable[[str], None]) -> Path:
    """The folder of real test images; too large for the repository."""
    folder = Path(os.environ.get("PRISMCUBE_TEST_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        missing(f"no real test images: {folder} is not a folder; set PRISMCUBE_TEST_DATA to where they are")
    return folder


@pytest.fixture(scope="session")
def demo_data() -> Path:
    """The images of the demo, part of the repository; treat as read-only."""
    return ROOT / "examples" / "data"


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Gives a TCP port of the loopback that was free a moment ago; each call another."""
    given: set[int] = set()

    def port() -> int:
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                number = int(probe.getsockname()[1])
            if number not in given:
                given.add(number)
                return number

    return port
