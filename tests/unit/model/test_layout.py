"""Layouts: stored as they were, and a pattern puts every block of a file in exactly one place."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from prismcube.errors import InvalidInput
from prismcube.model.consolidation import ConsolidationParams
from prismcube.model.grid import Grid
from prismcube.model.layout import (
    COG,
    MAX_PATTERN,
    MUCOG,
    CustomGrid,
    InterlacingPattern,
    Layout,
    RegularGrid,
    SingleCell,
    SubGrid,
    grid_from_json,
    grid_to_json,
)

ROOT = Path(__file__).resolve().parents[3]

CRSS = st.sampled_from(["EPSG:3035", "EPSG:4326", "OGC:CRS84", "EPSG:32601"])
SIDES = st.integers(1, 65_536)
COORDINATES = st.floats(-1e7, 1e7)
RESOLUTIONS = st.floats(1e-6, 1e6)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
ENDS = st.none() | st.integers(1, 10_000)

sub_grids = st.builds(SubGrid, cell_width=SIDES, cell_height=SIDES, origin_x=COORDINATES, origin_y=COORDINATES)
grids = st.one_of(
    st.builds(
        RegularGrid,
        crs=CRSS,
        resolution=RESOLUTIONS,
        cell_width=SIDES,
        cell_height=SIDES,
        origin_x=COORDINATES,
        origin_y=COORDINATES,
        columns=ENDS,
        rows=ENDS,
    ),
    st.builds(SingleCell, CRSS, RESOLUTIONS),
    st.builds(CustomGrid, NAMES, RESOLUTIONS, st.none() | sub_grids),
)


@st.composite
def pattern_texts(draw: st.DrawFn) -> str:
    """A valid chain: all blocks, cut in two along some axis, some times; each piece in an order of its own."""
    pieces: list[dict[str, tuple[int, int | None]]] = [{"R": (0, None), "B": (0, None), "Z": (0, None)}]
    for _ in range(draw(st.integers(0, 4))):
        piece = pieces.pop(draw(st.integers(0, len(pieces) - 1)))
        axis = draw(st.sampled_from("RBZ"))
        start, stop = piece[axis]
        if stop == start + 1:
            pieces.append(piece)
            continue
        cut = draw(st.integers(start + 1, start + 3 if stop is None else stop - 1))
        pieces += [piece | {axis: (start, cut)}, piece | {axis: (cut, stop)}]
    return ";".join(draw(part_texts(piece)) for piece in pieces)


@st.composite
def part_texts(draw: st.DrawFn, piece: dict[str, tuple[int, int | None]]) -> str:
    loops = {"T": "T"}
    for axis, (start, stop) in piece.items():
        if stop is None:
            loops[axis] = f"{axis}={start}:" if start or draw(st.booleans()) else axis
        elif draw(st.booleans()):
            loops[axis] = f"{axis}={start}:{stop}" if start or draw(st.booleans()) else f"{axis}=:{stop}"
        else:
            loops[axis] = f"{axis}={','.join(map(str, draw(st.permutations(range(start, stop)))))}"
    order = draw(st.permutations("RBZT").filter(lambda axes: axes.index("Z") < axes.index("T")))
    return draw(st.sampled_from([">", " > "])).join(loops[axis] for axis in order)


@given(
    text=pattern_texts(),
    records=st.integers(0, 5),
    bands=st.integers(0, 4),
    tiles=st.lists(st.integers(0, 5), max_size=4),
)
def test_every_block_comes_once(text: str, records: int, bands: int, tiles: list[int]) -> None:
    order = InterlacingPattern.parse(text).order(records=records, bands=bands, tiles=tiles)
    found = Counter((block.record, block.band, block.zoom, block.tile) for block in order)
    wanted = {
        (record, band, zoom, tile)
        for record, band, zoom in product(range(records), range(bands), range(len(tiles)))
        for tile in range(tiles[zoom])
    }
    assert found == Counter(wanted)


@given(text=pattern_texts())
def test_a_pattern_is_parsed_from_its_own_text(text: str) -> None:
    pattern = InterlacingPattern.parse(text)
    assert InterlacingPattern.parse(str(pattern)) == pattern
    assert " " not in str(pattern)


@given(texts=st.lists(pattern_texts(), min_size=2, max_size=2), keep=st.randoms())
def test_a_part_more_or_less_is_refused(texts: list[str], keep: Any) -> None:
    whole = texts[0].split(";")
    with pytest.raises(InvalidInput, match="in 2 parts"):
        InterlacingPattern.parse(";".join([*whole, keep.choice(whole)]))
    if len(whole) > 1:
        whole.remove(keep.choice(whole))
        with pytest.raises(InvalidInput, match="in no part"):
            InterlacingPattern.parse(";".join(whole))


def _blocks(text: str, *, records: int, bands: int, tiles: tuple[int, ...]) -> list[str]:
    order = InterlacingPattern.parse(text).order(records=records, bands=bands, tiles=tiles)
    return [f"{block.record}{block.band}{block.zoom}{block.tile}" for block in order]


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        pytest.param("R>B>Z>T", "0000 0001 0010 1000 1001 1010", id="a file after the other"),
        pytest.param("Z>T>R>B", "0000 1000 0001 1001 0010 1010", id="all records of a block together"),
        pytest.param(MUCOG, "0000 1000 0001 1001 0010 1010", id="MUCOG"),
        pytest.param("Z=1,0>T>R>B;Z=2:>R>T>B", "0010 1010 0000 1000 0001 1001", id="values in the order written"),
    ],
)
def test_the_first_loop_is_the_outermost(text: str, blocks: str) -> None:
    assert _blocks(text, records=2, bands=1, tiles=(2, 1)) == blocks.split()


def test_presets_differ_where_overviews_begin() -> None:
    assert _blocks("MUCOG", records=2, bands=1, tiles=(1, 2)) == ["0000", "1000", "0010", "0011", "1010", "1011"]
    assert _blocks("COG", records=2, bands=1, tiles=(1, 2)) == ["0000", "0010", "0011", "1000", "1010", "1011"]
    assert (str(InterlacingPattern.parse("MUCOG")), str(InterlacingPattern.parse("COG"))) == (MUCOG, COG)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("R=0: > B=: > Z > T", "R>B>Z>T"),
        ("Z=0:1>T>R>B;Z=1:>R>T>B", "Z=0>T>R>B;Z=1:>R>T>B"),
        ("R=:20>B>Z>T;R=20:>B>Z>T", "R=0:20>B>Z>T;R=20:>B>Z>T"),
    ],
)
def test_normal_text(text: str, normal: str) -> None:
    assert str(InterlacingPattern.parse(text)) == normal


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("", "'' is no axis", id="nothing"),
        pytest.param("R>B>Z>T;", "'' is no axis", id="an empty part"),
        pytest.param("r>B>Z>T", "'r' is no axis", id="small letters"),
        pytest.param("R>B>Z", "lacks T", id="no tiles"),
        pytest.param("B>Z>T", "lacks R", id="no records"),
        pytest.param("R>R>B>Z>T", "twice the axis R", id="records twice"),
        pytest.param("R>B>T>Z", "T before Z", id="tiles before their zoom"),
        pytest.param("R>B>Z>T=0", "tiles can't be chosen", id="chosen tiles"),
        pytest.param("R>B=x>Z>T", "'x' is no number of a band", id="not a number"),
        pytest.param("R>B=-1:>Z>T", "'-1' is no number", id="negative"),
        pytest.param("R>B=1.5>Z>T", "'1.5' is no number", id="a fraction"),
        pytest.param("R>B=>Z>T", "'' is no number", id="no value"),
        pytest.param("R>B=²>Z>T", "is no number", id="a superscript two"),
        pytest.param("R>B=0:1:2>Z>T", "'1:2' is no number", id="a step"),
        pytest.param(f"R>B={2**31}:>Z>T", "must be 0 to", id="too large"),
        pytest.param("R>B=3:3>Z>T", "is empty", id="empty range"),
        pytest.param("R>B=0,1,0>Z>T", "lists a band twice", id="a value twice"),
        pytest.param("R>B=1:>Z>T", "record 0, band 0, zoom 0 is in no part", id="a band left out"),
        pytest.param("Z=0>T>R>B", "zoom 1 is in no part", id="overviews left out"),
        pytest.param("R=0:20>B>Z>T", "record 20, .* open", id="an end"),
        pytest.param("R>B>Z>T;R=7>B>Z>T", "record 7, band 0, zoom 0 is in 2 parts", id="a record twice"),
        pytest.param("R>B>Z>T" + " " * MAX_PATTERN, "at most 500", id="too long"),
        pytest.param(None, "must be text", id="not text"),
    ],
)
def test_a_pattern_is_refused_with_its_reason(text: object, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as raised:
        InterlacingPattern.parse(text)
    assert raised.value.parameter == "interlacing_pattern"


@given(grid=grids)
def test_json_round_trip_of_grids(grid: Any) -> None:
    assert grid_from_json(grid_to_json(grid)) == grid


@given(
    name=NAMES,
    grid=grids,
    max_records=st.integers(1, 1000),
    block=st.tuples(st.integers(1, 64), st.integers(1, 64)),
    overviews=st.integers(-1, 1024),
    text=pattern_texts(),
)
def test_json_round_trip(
    name: str, grid: Any, max_records: int, block: tuple[int, int], overviews: int, text: str
) -> None:
    layout = Layout(
        name=name,
        grid=grid,
        max_records=max_records,
        block_width=16 * block[0],
        block_height=16 * block[1],
        overviews_min_size=overviews,
        interlacing_pattern=InterlacingPattern.parse(text),
    )
    assert Layout.from_json(layout.to_json()) == layout


def _cell(width: int, height: int) -> Grid:
    return Grid("EPSG:3035", Affine(10, 0, 0, 0, -10, 0), height, width)


def _layout(**options: Any) -> Layout:
    return Layout(name="a", grid=SingleCell("EPSG:3035", 10), max_records=5, **options)


@pytest.mark.parametrize(
    ("overviews_min_size", "width", "height", "factors"),
    [
        pytest.param(0, 4096, 4096, (), id="none"),
        pytest.param(-1, 4096, 4096, (2, 4, 8, 16), id="default is 256"),
        pytest.param(256, 4096, 4096, (2, 4, 8, 16), id="said"),
        pytest.param(512, 4096, 4096, (2, 4, 8), id="larger"),
        pytest.param(256, 257, 10, (2,), id="the longer side counts: width"),
        pytest.param(256, 10, 257, (2,), id="the longer side counts: height"),
        pytest.param(256, 256, 256, (), id="small enough"),
        pytest.param(1, 5, 5, (2, 4, 8), id="down to a pixel"),
    ],
)
def test_overviews(overviews_min_size: int, width: int, height: int, factors: tuple[int, ...]) -> None:
    assert _layout(overviews_min_size=overviews_min_size).overview_factors(_cell(width, height)) == factors


def test_tiles_of_each_zoom() -> None:
    assert _layout().tiles(_cell(1025, 512)) == (10, 3, 2, 1)
    assert _layout(block_width=512).tiles(_cell(1025, 512)) == (6, 2, 1, 1)
    assert _layout(block_height=512).tiles(_cell(1025, 512)) == (5, 3, 2, 1)
    assert _layout(overviews_min_size=0).tiles(_cell(1025, 512)) == (10,)


def test_defaults() -> None:
    layout = Layout.from_json({"name": "a", "grid": grid_to_json(SingleCell("EPSG:3035", 10)), "max_records": 7})
    assert layout == Layout(name="a", grid=SingleCell("EPSG:3035", 10), max_records=7)
    assert (layout.block_width, layout.block_height, layout.overviews_min_size) == (256, 256, -1)
    assert str(layout.interlacing_pattern) == MUCOG


def test_a_crs_is_kept_by_its_shortest_name() -> None:
    assert SingleCell("urn:ogc:def:crs:EPSG::3035", 10) == SingleCell("EPSG:3035", 10)


REGULAR: dict[str, Any] = {
    "kind": "regular",
    "crs": "EPSG:3035",
    "resolution": 10,
    "cell_width": 1024,
    "cell_height": 512,
}
SINGLE: dict[str, Any] = {"kind": "single-cell", "crs": "EPSG:3035", "resolution": 10}
CUSTOM: dict[str, Any] = {"kind": "custom", "name": "mgrs", "resolution": 10}
SUB: dict[str, Any] = {"cell_width": 512, "cell_height": 512}
LAYOUT: dict[str, Any] = {"name": "a", "grid": SINGLE, "max_records": 5}


@pytest.mark.parametrize(
    ("change", "parameter"),
    [
        ({"name": "a/b"}, "name"),
        ({"max_records": 0}, "max_records"),
        ({"max_records": 1.5}, "max_records"),
        ({"block_width": 0}, "block_width"),
        ({"block_width": 250}, "block_width"),
        ({"block_height": 24}, "block_height"),
        ({"overviews_min_size": -2}, "overviews_min_size"),
        ({"interlacing_pattern": "R"}, "interlacing_pattern"),
        ({"grid": None}, "grid.kind"),
        ({"grid": {"kind": "hexagons"}}, "grid.kind"),
        ({"grid": {"kind": []}}, "grid.kind"),
        ({"block": 5}, "layout.block"),
        ({"grid": SINGLE | {"cell_width": 5}}, "grid.cell_width"),
        ({"grid": SINGLE | {"crs": "EPSG:0"}}, "crs"),
        ({"grid": SINGLE | {"crs": 3035}}, "crs"),
        ({"grid": SINGLE | {"crs": "EPSG:4978"}}, "crs"),
        ({"grid": SINGLE | {"resolution": 0}}, "resolution"),
        ({"grid": REGULAR | {"crs": ""}}, "crs"),
        ({"grid": REGULAR | {"resolution": -1}}, "resolution"),
        ({"grid": REGULAR | {"cell_width": 65_537}}, "cell_width"),
        ({"grid": REGULAR | {"cell_height": 0}}, "cell_height"),
        ({"grid": REGULAR | {"origin_x": "0"}}, "origin_x"),
        ({"grid": REGULAR | {"origin_y": float("inf")}}, "origin_y"),
        ({"grid": REGULAR | {"columns": 0}}, "columns"),
        ({"grid": REGULAR | {"rows": 2.5}}, "rows"),
        ({"grid": {"kind": "regular", "crs": "EPSG:3035"}}, "grid.cell_height"),
        ({"grid": CUSTOM | {"name": ""}}, "grid.name"),
        ({"grid": CUSTOM | {"resolution": None}}, "resolution"),
        ({"grid": CUSTOM | {"sub_grid": 5}}, "sub_grid"),
        ({"grid": CUSTOM | {"sub_grid": SUB | {"cell_width": 0}}}, "cell_width"),
        ({"grid": CUSTOM | {"sub_grid": SUB | {"cell_height": 70_000}}}, "cell_height"),
        ({"grid": CUSTOM | {"sub_grid": SUB | {"origin_x": None}}}, "origin_x"),
        ({"grid": CUSTOM | {"sub_grid": SUB | {"origin_y": True}}}, "origin_y"),
        ({"grid": CUSTOM | {"sub_grid": SUB | {"crs": "EPSG:3035"}}}, "sub_grid.crs"),
    ],
)
def test_mistakes_name_the_field(change: dict[str, Any], parameter: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        Layout.from_json(LAYOUT | change)
    assert raised.value.parameter == parameter


def test_the_documents_of_the_page_are_read() -> None:
    text = (ROOT / "docs" / "concepts" / "layouts-and-grids.md").read_text(encoding="utf-8")
    read = Counter[str]()
    for document in map(json.loads, re.findall(r"```json\n(.*?)```", text, re.DOTALL)):
        if "kind" in document:
            read[type(grid_from_json(document)).__name__] += 1
        elif "max_records" in document:
            read[Layout.from_json(document).name] += 1
        elif "format" in document:
            read[ConsolidationParams.from_json(document).compression] += 1
    assert read == {"RegularGrid": 1, "SingleCell": 1, "CustomGrid": 1, "series-3035": 1, "lossless": 1}
