"""The committed viewer bundle: complete, relative, and in need of no other host."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VIEWER = ROOT / "server" / "static" / "viewer"


@pytest.fixture(scope="module")
def page() -> str:
    return (VIEWER / "index.html").read_text()


def test_page_links_only_to_files_that_are_there(page: str) -> None:
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    files = [link for link in links if link.startswith("viewer/")]
    assert {"viewer/assets/app.js", "viewer/assets/app.css"} <= set(files)
    assert all((VIEWER.parent / file).is_file() for file in files)
    assert set(links) - set(files) == {"."}, "any other address would break behind a path prefix"


def test_page_has_nothing_inline(page: str) -> None:
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page)


def test_style_loads_nothing_from_elsewhere() -> None:
    style = (VIEWER / "assets" / "app.css").read_text()
    assert not re.search(r"@import|url\(\s*['\"]?(?!data:)", style)


def test_script_needs_no_eval() -> None:
    script = (VIEWER / "assets" / "app.js").read_text()
    assert not re.search(r"\beval\(|new Function\(", script)


@pytest.mark.parametrize("package", ["ol", "uplot", "rbush", "quickselect", "world-atlas"])
def test_licences_name_each_bundled_package(package: str) -> None:
    licences = (VIEWER / "LICENSES.txt").read_text()
    assert re.search(rf"^{package} \d", licences, re.MULTILINE)


def test_lockfile_holds_no_registry_address() -> None:
    assert '"resolved"' not in (ROOT / "web" / "package-lock.json").read_text()
