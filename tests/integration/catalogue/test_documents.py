"""Entities with names: variables, instances, palettes, styles, layouts; and consolidation settings."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prismcube.catalogue import Catalogue, Change
from prismcube.catalogue.documents import Stored
from prismcube.catalogue.grids import StoredGrid
from prismcube.catalogue.variables import InstanceFilter
from prismcube.errors import Conflict, InvalidInput, NotFound
from prismcube.model.consolidation import Compression, ConsolidationParams, StorageClass
from prismcube.model.custom_cells import CustomCell
from prismcube.model.entities import Container, Instance, Variable
from prismcube.model.formats import DataFormat
from prismcube.model.layout import COG, CustomGrid, InterlacingPattern, Layout, RegularGrid, SingleCell, SubGrid
from prismcube.model.palette import GREY, ColourPoint, Palette
from prismcube.model.pattern import Pattern
from prismcube.model.style import Channel, Style, StyleKind

BLACK = ColourPoint(value=0, r=0, g=0, b=0)
FORMAT = DataFormat(dtype="uint16", nodata=0)
CHANNEL = Channel(field="a", low=0, high=1)


@dataclass(frozen=True)
class Kind:
    """How entities of one kind are made and changed."""

    name: str
    make: Callable[[str], Any]
    """One of that name."""
    change: Callable[[Any], Any]
    """The same, with another content."""

    def of(self, catalogue: Any) -> Any:
        return getattr(catalogue, f"{self.name}s")

    def update(self, catalogue: Any, id: int, value: Any) -> Any:
        if self.name == "variable":
            return self.of(catalogue).update(replace(value, id=id))
        return self.of(catalogue).update(id, value)


KINDS = [
    Kind(
        "variable",
        lambda name: Variable(name=name, bands=("a", "b"), format=FORMAT),
        lambda one: replace(one, unit="m", description="d", resampling="cubic"),
    ),
    Kind(
        "palette",
        lambda name: Palette(name, GREY.points),
        lambda one: Palette(one.name, (BLACK, ColourPoint(value=1, r=1, g=2, b=3, a=4))),
    ),
    Kind(
        "style",
        lambda name: Style(name=name, kind=StyleKind.RGB, channels=(CHANNEL,) * 3),
        lambda one: replace(one, kind=StyleKind.PALETTE, channels=(CHANNEL,), palette="grey", title="t"),
    ),
    Kind(
        "layout",
        lambda name: Layout(name=name, grid=SingleCell("EPSG:3857", 10), max_records=1),
        lambda one: replace(one, max_records=7, interlacing_pattern=InterlacingPattern.parse(COG)),
    ),
]


def bare(one: Any) -> Any:
    """Without its id."""
    return one.value if isinstance(one, Stored) else replace(one, id=None)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_life_of_an_entity_with_a_name(catalogue: Catalogue, kind: Kind) -> None:
    repository, wanted = kind.of(catalogue), kind.make("one")
    stored = repository.create(wanted)
    other = repository.create(kind.make("other"))
    assert bare(stored) == wanted
    assert repository.get("one") == repository.get_by_id(stored.id) == stored
    with pytest.raises(Conflict, match="is named 'one' already") as caught:
        repository.create(kind.change(wanted))
    assert (caught.value.entity, caught.value.key) == (kind.name, stored.id)
    assert repository.get("one") == stored

    changed = kind.change(wanted)
    assert bare(kind.update(catalogue, stored.id, changed)) == changed
    assert bare(repository.get("one")) == changed
    renamed = kind.make("new")
    kind.update(catalogue, stored.id, renamed)
    assert bare(repository.get("new")) == renamed
    assert repository.get("new").id == stored.id
    with pytest.raises(NotFound, match=f"no {kind.name} 'one'"):
        repository.get("one")
    with pytest.raises(Conflict, match="is named 'other' already") as caught:
        kind.update(catalogue, stored.id, kind.make("other"))
    assert caught.value.key == other.id
    with pytest.raises(NotFound, match=f"no {kind.name} 99"):
        kind.update(catalogue, 99, kind.make("z"))
    assert [bare(one) for one in repository.list()] == [renamed, kind.make("other")]

    assert repository.put(kind.make("put"))[1] is Change.CREATED
    assert repository.put(kind.make("put"))[1] is Change.UNCHANGED
    put, change = repository.put(kind.change(kind.make("put")))
    assert (change, bare(put)) == (Change.UPDATED, kind.change(kind.make("put")))
    assert repository.get("put") == put


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_list_is_by_name_in_pages(catalogue: Catalogue, kind: Kind) -> None:
    repository = kind.of(catalogue)
    names = ["10", "9", "A", "Z", "a", "a-b", "a.b", "aB", "a_b", "b"]  # by code point
    for name in reversed(names):
        repository.create(kind.make(name))
    pages: list[str] = []
    after = None
    while page := repository.list(after=after, limit=3):
        assert len(page) <= 3
        pages += [one.name for one in page]
        after = repository.key(page[-1])
    assert pages == names
    for text in ("a*", "a?b", "a_b", "A*(?i)", "*", "", "[a]*", "nothing"):
        pattern = Pattern(text)
        assert [one.name for one in repository.list(name=pattern)] == [one for one in names if pattern.matches(one)]
    assert [one.name for one in repository.list(name=Pattern("a*"), after=("a.b",), limit=1)] == ["aB"]


NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=10)
BYTES = st.integers(0, 255)


@st.composite
def palettes(draw: st.DrawFn) -> Palette:
    between = draw(st.lists(st.floats(0, 1, exclude_min=True, exclude_max=True), max_size=4, unique=True))
    points = [ColourPoint(value=value, r=draw(BYTES), g=draw(BYTES), b=3, a=draw(BYTES)) for value in sorted(between)]
    return Palette("one", (BLACK, *points, replace(BLACK, value=1)))


@st.composite
def channels(draw: st.DrawFn) -> Channel:
    low, high = sorted(draw(st.lists(NUMBERS, min_size=2, max_size=2, unique_by=float)))
    return Channel(field="a", low=low, high=high, gamma=draw(st.floats(0.1, 10)))


STYLES = st.builds(
    Style,
    name=st.just("one"),
    kind=st.just(StyleKind.PALETTE),
    channels=st.tuples(channels()),
    palette=st.just("grey"),
    title=TEXTS,
    description=TEXTS,
)
CELLS = {"cell_width": st.integers(1, 65_536), "cell_height": st.integers(1, 65_536)}
PLACES = st.floats(-1e9, 1e9) | st.integers(-(10**9), 10**9)
ORIGINS = {"origin_x": PLACES, "origin_y": PLACES}
RESOLUTIONS = st.floats(1e-9, 1e9)
LAYOUTS = st.builds(
    Layout,
    name=st.just("one"),
    grid=st.builds(SingleCell, st.sampled_from(["EPSG:4326", "EPSG:32633"]), RESOLUTIONS)
    | st.builds(
        RegularGrid,
        crs=st.just("EPSG:3035"),
        resolution=RESOLUTIONS,
        columns=st.none() | st.integers(1, 2**40),
        **CELLS,
        **ORIGINS,
    )
    | st.builds(CustomGrid, st.just("grid"), RESOLUTIONS, st.none() | st.builds(SubGrid, **CELLS, **ORIGINS)),
    max_records=st.integers(1, 2**31 - 1),
    block_width=st.integers(1, 4096).map(lambda number: 16 * number),
    overviews_min_size=st.integers(-1, 65_536),
    interlacing_pattern=st.sampled_from(["MUCOG", "COG", "R>B=0,2>Z>T;R>B=1>Z>T;R>B=3:>Z>T"]).map(
        InterlacingPattern.parse
    ),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(palette=palettes(), style=STYLES, layout=LAYOUTS)
def test_documents_come_back_as_they_were(
    archive: Any, make: Any, palette: Palette, style: Style, layout: Layout
) -> None:
    catalogue = archive.catalogue
    if not catalogue.grids.list():
        cell = CustomCell(id="c", crs="EPSG:3857", footprint=make.square(0, 0))
        catalogue.grids.create(StoredGrid(name="grid"), [cell])
    for repository, wanted in ((catalogue.palettes, palette), (catalogue.styles, style), (catalogue.layouts, layout)):
        repository.put(wanted)
        assert repository.get("one").value == wanted
        assert repository.put(wanted)[1] is Change.UNCHANGED  # not even one that only looks different


FORMATS = st.sampled_from(
    [
        DataFormat(dtype="uint8"),
        DataFormat(dtype="int16", nodata=-32768, minimum=-10000, maximum=10000),
        DataFormat(dtype="uint32", nodata=2**32 - 1),
        DataFormat(dtype="float32", nodata=math.nan),
        DataFormat(dtype="float32", nodata=-3.4028234663852886e38, minimum=0.1, maximum=1e23),
        DataFormat(dtype="float64", nodata=-1.7976931348623157e308, minimum=-1e300, maximum=5e-324),
    ]
)


def same_format(one: DataFormat, other: DataFormat) -> bool:
    return one.stores_like(other) and (one.minimum, one.maximum) == (other.minimum, other.maximum)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    format=FORMATS,
    exponent=st.floats(0.01, 100),
    resampling=st.sampled_from(["nearest", "cubic"]),
    compression=st.sampled_from([Compression.NONE, Compression.LOSSLESS]),
    max_error=st.floats(0, 1, exclude_min=True, exclude_max=True),
    storage_class=st.sampled_from(StorageClass),
)
def test_settings_come_back_as_they_were(archive: Any, **given: Any) -> None:
    wanted = ConsolidationParams(**given)
    repository, id = archive.catalogue.consolidation, archive.variable.id
    repository.put(id, wanted)
    stored = repository.get(id)
    assert same_format(stored.format, wanted.format)
    assert replace(stored, format=wanted.format) == wanted
    assert repository.put(id, wanted) is Change.UNCHANGED


def test_settings_are_those_of_a_variable(archive: Any) -> None:
    repository, id = archive.catalogue.consolidation, archive.variable.id
    lossy = {"compression": Compression.LOSSY, "creation_options": {"ZSTD_LEVEL": "3"}}
    wanted = ConsolidationParams(format=replace(FORMAT, minimum=0, maximum=100), **lossy)
    for call in (repository.get, repository.delete):
        with pytest.raises(NotFound, match="no consolidation setting"):
            call(id)
    with pytest.raises(NotFound, match="no variable 99"):
        repository.put(99, wanted)
    assert repository.put(id, wanted) is Change.CREATED
    assert repository.put(id, replace(wanted, max_error=0.5)) is Change.UPDATED
    assert repository.get(id) == replace(wanted, max_error=0.5)
    repository.delete(id)
    assert repository.list() == []


def test_settings_are_listed_by_variable(archive: Any) -> None:
    catalogue = archive.catalogue
    ids = [catalogue.variables.create(KINDS[0].make(f"{i}")).id for i in range(5)]
    for id in reversed(ids):
        catalogue.consolidation.put(id, ConsolidationParams(format=FORMAT, exponent=id))
    first = catalogue.consolidation.list(limit=3)
    rest = catalogue.consolidation.list(after=first[-1][0], limit=3)
    assert [(id, one.exponent) for id, one in (*first, *rest)] == [(id, id) for id in ids]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"bands": ("b", "a")}, "bands are a, b, not b, a"),
        ({"bands": ("a",)}, "bands are a, b, not a"),
        ({"format": DataFormat(dtype="uint8", nodata=0)}, "dtype is uint16, not uint8"),
        ({"format": DataFormat(dtype="uint16")}, "nodata is 0.0, not None"),
        ({"format": replace(FORMAT, maximum=1)}, "maximum is None, not 1.0"),
    ],
)
def test_bands_and_format_of_a_variable_never_change(archive: Any, change: dict[str, Any], named: str) -> None:
    variables = archive.catalogue.variables
    wanted = replace(archive.variable, **change)
    for call in (variables.put, variables.update):
        with pytest.raises(Conflict, match=named):
            call(wanted)
    assert variables.get("v") == archive.variable


def test_palette_of_a_variable_is_one_that_is_stored(archive: Any) -> None:
    catalogue, variable = archive.catalogue, replace(archive.variable, palette="p")
    for call in (catalogue.variables.put, catalogue.variables.update):
        with pytest.raises(NotFound, match="no palette 'p'"):
            call(variable)
    with pytest.raises(NotFound, match="no palette 'p'"):
        catalogue.variables.create(replace(variable, name="w", id=None))
    palette = catalogue.palettes.create(Palette("p", GREY.points))
    assert catalogue.variables.put(variable)[1] is Change.UPDATED
    assert catalogue.variables.get("v").palette == "p"
    catalogue.palettes.update(palette.id, Palette("q", GREY.points))
    assert catalogue.variables.get("v").palette == "q"  # the name follows the palette
    catalogue.variables.update(replace(variable, palette=""))
    assert catalogue.variables.get("v").palette == ""
    assert catalogue.palettes.delete([palette.id]).deleted == (palette.id,)


def test_palette_of_a_style_is_one_that_is_stored_and_keeps_its_name(catalogue: Catalogue) -> None:
    style = Style(name="s", kind=StyleKind.PALETTE, channels=(CHANNEL,), palette="p")
    with pytest.raises(NotFound, match="no palette 'p'"):
        catalogue.styles.create(style)
    catalogue.styles.create(replace(style, palette="grey"))  # always there
    with pytest.raises(NotFound, match="no palette 'p'"):
        catalogue.styles.put(style)
    palette = catalogue.palettes.create(Palette("p", GREY.points))
    catalogue.styles.put(style)
    with pytest.raises(Conflict, match=r"1 style\(s\) name it 'p'"):
        catalogue.palettes.update(palette.id, Palette("q", GREY.points))
    recoloured = KINDS[1].change(palette.value)
    assert catalogue.palettes.update(palette.id, recoloured).value == recoloured
    catalogue.styles.put(replace(style, palette="grey"))
    catalogue.palettes.update(palette.id, Palette("q", GREY.points))
    with pytest.raises(NotFound, match="no palette 'p'"):
        catalogue.styles.put(style)


def test_layout_that_files_are_written_in_can_not_change(catalogue: Catalogue) -> None:
    stored = catalogue.layouts.create(KINDS[3].make("one"))
    file = catalogue.containers.create(Container(uri="file:///a", layout_id=stored.id))
    changed = KINDS[3].change(stored.value)
    for call in (lambda: catalogue.layouts.put(changed), lambda: catalogue.layouts.update(stored.id, changed)):
        with pytest.raises(Conflict, match="files are written in it"):
            call()
    assert catalogue.layouts.put(stored.value)[1] is Change.UNCHANGED
    catalogue.containers.delete([file.id or 0])
    assert catalogue.layouts.put(changed)[1] is Change.UPDATED


def test_grid_of_a_layout_is_one_that_is_stored_and_keeps_its_name(catalogue: Catalogue, make: Any) -> None:
    layout = Layout(name="l", grid=CustomGrid("g", 10), max_records=1)
    with pytest.raises(NotFound, match="no grid 'g'"):
        catalogue.layouts.create(layout)
    cell = CustomCell(id="c", crs="EPSG:3857", footprint=make.square(0, 0))
    grid = catalogue.grids.create(StoredGrid(name="g"), [cell])
    stored = catalogue.layouts.create(layout)
    with pytest.raises(NotFound, match="no grid 'h'"):
        catalogue.layouts.update(stored.id, replace(layout, grid=CustomGrid("h", 10)))
    with pytest.raises(Conflict, match=r"1 layout\(s\) name it 'g'"):
        catalogue.grids.update(replace(grid, name="h"))
    assert catalogue.grids.update(replace(grid, description="d")).description == "d"
    catalogue.layouts.update(stored.id, replace(layout, grid=SingleCell("EPSG:3857", 10)))
    catalogue.grids.update(replace(grid, name="h"))
    assert catalogue.layouts.update(stored.id, replace(layout, grid=CustomGrid("h", 10))).value.grid.name == "h"


def test_life_of_an_instance(archive: Any) -> None:
    instances, first = archive.catalogue.instances, archive.variable.id
    second = archive.catalogue.variables.create(KINDS[0].make("w")).id
    wanted = Instance(variable_id=first, name="raw", metadata={"a": "1", "湖": "%"})
    stored = instances.create(wanted)
    assert instances.get(first, "raw") == instances.get_by_id(stored.id) == stored
    assert (stored.name, dict(stored.metadata)) == ("raw", {"a": "1", "湖": "%"})
    with pytest.raises(Conflict, match="is named 'raw' already") as caught:
        instances.create(replace(wanted, metadata={}))
    assert caught.value.key == stored.id
    other = instances.create(replace(wanted, variable_id=second))  # another variable may have the name too
    with pytest.raises(NotFound, match="no variable 99"):
        instances.create(replace(wanted, variable_id=99))
    with pytest.raises(NotFound, match="no instance 'none'"):
        instances.get(first, "none")

    assert instances.get_or_create(replace(wanted, metadata={})) == (stored, Change.UNCHANGED)
    assert instances.put(wanted)[1] is Change.UNCHANGED
    assert instances.put(replace(wanted, metadata={"b": "2"}))[1] is Change.UPDATED
    assert dict(instances.get(first, "raw").metadata) == {"b": "2"}
    instances.update(replace(stored, name="new"))
    assert instances.get_by_id(stored.id).name == "new"
    with pytest.raises(Conflict, match="is named 'x' already"):
        instances.update(replace(stored, name="x"))
    with pytest.raises(Conflict, match=f"its variable is {first} and can't change"):
        instances.update(replace(stored, variable_id=second))
    with pytest.raises(NotFound, match="no instance 99"):
        instances.update(replace(stored, id=99))
    assert instances.get_by_id(other.id) == other


def test_instances_are_listed_by_id(archive: Any) -> None:
    instances, first = archive.catalogue.instances, archive.variable.id
    second = archive.catalogue.variables.create(KINDS[0].make("w")).id
    for name in ("b", "a", "B"):
        instances.create(Instance(variable_id=second, name=name))
    assert [one.name for one in instances.list()] == ["x", "y", "b", "a", "B"]
    assert [one.name for one in instances.list(InstanceFilter(variable_id=second))] == ["b", "a", "B"]
    assert [one.name for one in instances.list(InstanceFilter(variable_id=first, name=Pattern("?")))] == ["x", "y"]
    assert [one.name for one in instances.list(InstanceFilter(name=Pattern("b(?i)")))] == ["b", "B"]
    page = instances.list(limit=2)
    assert [one.name for one in instances.list(after=instances.key(page[-1]), limit=2)] == ["b", "a"]


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_text_that_no_database_can_hold_is_refused_before(text: str) -> None:
    for call in (
        lambda: Variable(name="v", bands=("b",), format=FORMAT, description=text),
        lambda: Variable(name="v", bands=(text,), format=FORMAT),
        lambda: Instance(variable_id=1, name="i", metadata={"k": text}),
        lambda: Instance(variable_id=1, name="i", metadata={text: ""}),
        lambda: Style(name="s", kind=StyleKind.RGB, channels=(CHANNEL,) * 3, title=text),
        lambda: Container(uri=text),
        lambda: Container(uri="u", storage_class=text),
    ):
        with pytest.raises(InvalidInput):
            call()
