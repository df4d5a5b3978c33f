"""Walking through STAC documents that others wrote."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.register import sources
from ingester.register.sources import DEEPEST, Found, Problem, linked_collection, parse, walk
from prismcube.errors import SourceError

HOST = "https://stac.example.com"


def item(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "Feature", "stac_version": "1.0.0", "id": name, "assets": {}, **more}


def catalog(*links: tuple[str, str], kind: str = "Catalog", **more: Any) -> dict[str, Any]:
    return {"type": kind, "id": "c", "links": [{"rel": rel, "href": href} for rel, href in links], **more}


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], list[str]]:
    """Documents by URI; the result lists those that were read."""

    def serve(documents: dict[str, Any]) -> list[str]:
        asked: list[str] = []

        def read(uri: str) -> bytes:
            asked.append(uri)
            if uri not in documents:
                raise SourceError(uri, "not found")
            document = documents[uri]
            return document if isinstance(document, bytes) else json.dumps(document).encode()

        monkeypatch.setattr(sources, "read", read)
        return asked

    return serve


def ids(found: list[Found | Problem]) -> list[str]:
    return [one.item["id"] if isinstance(one, Found) else f"{one.name}: {one.reason}" for one in found]


def test_catalogue_is_followed_in_the_order_of_its_links(web: Any) -> None:
    web(
        {
            f"{HOST}/catalog.json": catalog(
                ("root", "catalog.json"), ("child", "a/collection.json"), ("item", "x.json")
            ),
            f"{HOST}/a/collection.json": catalog(
                ("parent", "../catalog.json"), ("item", "1.json"), ("item", "./2.json"), kind="Collection", title="A"
            ),
            f"{HOST}/a/1.json": item("1"),
            f"{HOST}/a/2.json": item("2"),
            f"{HOST}/x.json": item("x"),
        }
    )
    found = list(walk([f"{HOST}/catalog.json"]))
    assert ids(found) == ["x", "1", "2"]
    assert [one.collection and one.collection["title"] for one in found if isinstance(one, Found)] == [None, "A", "A"]


def test_loops_end_and_depth_is_bounded(web: Any) -> None:
    asked = web({f"{HOST}/c": catalog(("child", "c"), ("child", "d")), f"{HOST}/d": catalog(("child", "c"))})
    assert ids(list(walk([f"{HOST}/c", f"{HOST}/c"]))) == []
    assert asked.count(f"{HOST}/d") == 1
    web({f"{HOST}/{n}": catalog(("child", str(n + 1))) for n in range(1000)})
    [problem] = walk([f"{HOST}/0"])
    assert isinstance(problem, Problem)
    assert f"more than {DEEPEST} links below" in problem.reason


def test_many_pages_of_a_list(web: Any) -> None:
    """Pages are of one depth, and thousands of them no deep recursion."""
    pages = 3000
    documents = {
        f"{HOST}/items?page={n}": {
            "type": "FeatureCollection",
            "features": [item(str(n))],
            "links": [{"rel": "next", "href": f"{HOST}/items?page={n + 1}"}] if n + 1 < pages else [],
        }
        for n in range(pages)
    }
    web(documents)
    assert ids(list(walk([f"{HOST}/items?page=0"]))) == [str(n) for n in range(pages)]


def test_a_page_that_must_be_posted_is_told(web: Any) -> None:
    links = [{"rel": "next", "href": "search", "method": "POST"}]
    web({f"{HOST}/s": {"type": "FeatureCollection", "features": [item("1"), 5], "links": links}})
    assert ids(list(walk([f"{HOST}/s"]))) == [
        "1",
        f"{HOST}/s item 2: is not an object",
        f"{HOST}/s: its next page must be asked for with POST; only GET is followed",
    ]


def test_what_fails_fails_alone_and_secrets_are_not_told(web: Any) -> None:
    web(
        {
            f"{HOST}/c": catalog(
                ("item", "gone.json?sig=SECRET"), ("item", "text"), ("item", "good"), ("item", "list")
            ),
            f"{HOST}/text": b"<html>",
            f"{HOST}/good": item("good"),
            f"{HOST}/list": [1],
        }
    )
    found = ids(list(walk([f"{HOST}/c"])))
    assert found[2] == "good"
    assert "not found" in found[0]
    assert "is not JSON" in found[1]
    assert "not an object" in found[3]
    assert not any("SECRET" in text for text in found)


@pytest.mark.parametrize("href", ["file:///etc/passwd", "/vsicurl/x", "FILE:///etc/passwd"])
def test_a_document_from_elsewhere_cant_point_into_this_machine(web: Any, href: str) -> None:
    asked = web({f"{HOST}/c": catalog(("item", href))})
    list(walk([f"{HOST}/c"]))
    assert not [uri for uri in asked if uri.startswith(("file:", "/"))]


def test_local_folders(tmp_path: Path) -> None:
    (tmp_path / "catalog.json").write_text(json.dumps(catalog(("item", "ü 1.json"), ("item", "%C3%BC%202.json"))))
    (tmp_path / "ü 1.json").write_text(json.dumps(item("1")))
    (tmp_path / "ü 2.json").write_text(json.dumps(item("2")))
    assert ids(list(walk([str(tmp_path)])))[-1] == "2"
    (tmp_path / "empty").mkdir()
    [problem] = walk([str(tmp_path / "empty")])
    assert isinstance(problem, Problem)
    assert "is a folder without catalog.json" in problem.reason


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_newline_delimited(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    lines = [json.dumps(item("1")), "", "{broken", json.dumps(catalog()), json.dumps(item("2"))]
    (tmp_path / "items").write_bytes(pack(("\ufeff" + "\n".join(lines)).encode()))
    uri = (tmp_path / "items").as_uri()
    assert ids(list(walk([uri]))) == [
        "1",
        f"{uri} line 2: is not a JSON object",
        f"{uri} line 3: is no STAC item but Catalog",
        "2",
    ]


def test_cut_off_gzip(tmp_path: Path) -> None:
    lines = "\n".join(json.dumps(item(str(n), text="x" * n)) for n in range(2000))
    (tmp_path / "items.gz").write_bytes(gzip.compress(lines.encode())[:-500])
    *good, problem = walk([str(tmp_path / "items.gz")])
    assert good
    assert isinstance(problem, Problem)
    assert "can't be unpacked" in problem.reason


def test_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "LARGEST", 1000)
    for text in (json.dumps(item("1", text="x" * 2000)), json.dumps(item("1", text="x" * 2000), indent=1)):
        (tmp_path / "big.gz").write_bytes(gzip.compress(text.encode()))
        [problem] = walk([str(tmp_path / "big.gz")])
        assert isinstance(problem, Problem)
        assert "1,000 bytes" in problem.reason


def problem_of(path: Path) -> tuple[int, str]:
    """How many items came before the problem that ends a document, and its reason."""
    *good, last = walk([str(path)])
    assert isinstance(last, Problem)
    return len(good), last.reason


def test_a_gzip_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "ANY_RATIO", 10_000)
    features = b'{"type":"FeatureCollection","features":[' + b"{}," * 200_000 + b"{}]}"
    for text in (features, b"\n" * 600_000, json.dumps(item("1")).encode() + b"\n{}" * 200_000):
        (tmp_path / "bomb.gz").write_bytes(gzip.compress(text, 9))
        _, reason = problem_of(tmp_path / "bomb.gz")
        assert "too many for its size" in reason
    (tmp_path / "small.gz").write_bytes(gzip.compress(b'{"type":"Feature"' + b" " * 9000 + b"}", 9))
    assert len([one for one in walk([str(tmp_path / "small.gz")]) if isinstance(one, Found)]) == 1


def test_many_items_and_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MOST_ITEMS", 3)
    items = [item(str(n)) for n in range(5)]
    path = tmp_path / "items"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    assert problem_of(path) == (3, "has more than 3 items; the others are left out")
    path.write_text("\n".join(map(json.dumps, items)))
    assert problem_of(path) == (3, "has more than 3 lines; the others are left out")
    path.write_text(json.dumps(items[0]) + "\n" * 100)
    assert problem_of(path) == (0, "has more than 3 lines; the others are left out")


@pytest.mark.parametrize(
    ("limit", "more"), [("MOST_OBJECTS", {"x": [{}] * 50}), ("MOST_OBJECTS", {"x": [[]] * 50}),
                        ("MOST_VALUES", {"x": [1] * 50})]
)  # fmt: skip
def test_what_would_fill_memory_is_not_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, more: dict[str, Any]
) -> None:
    monkeypatch.setattr(sources, limit, 40)
    for indent in (None, 1):
        (tmp_path / "item").write_text(json.dumps(item("1", **more), indent=indent))
        assert "has more than 40" in problem_of(tmp_path / "item")[1]


def test_a_long_line_among_items(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "LONGEST_LINE", 200)
    lines = [json.dumps(item("1")), json.dumps(item("2")), json.dumps(item("3", text="x" * 300))]
    (tmp_path / "items").write_text("\n".join(lines))
    assert problem_of(tmp_path / "items") == (2, "has a line of more than 200 bytes")


def test_linked_collection(web: Any) -> None:
    web({f"{HOST}/c": catalog(kind="Collection", title="C"), f"{HOST}/k": catalog()})
    for href, title in (("c", "C"), ("k", None), ("gone", None), ("file:///c", None)):
        found = Found(item=item("1", links=[{"rel": "collection", "href": href}]), base=f"{HOST}/i")
        collection = linked_collection(found)
        assert (collection and collection["title"]) == title


@given(st.binary(max_size=200) | st.text(alphabet='{}[]":,\n 1a', max_size=30).map(str.encode))
def test_any_bytes_are_objects_or_refused(data: bytes) -> None:
    try:
        found = list(parse(data, name="x"))
    except SourceError:
        return
    assert all(isinstance(one, dict | Problem) for _, one in found)
