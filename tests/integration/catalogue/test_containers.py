"""Containers: found by what they are and hold; who manages a file and where it lies never change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prismcube.catalogue import Catalogue, Change
from prismcube.catalogue.containers import ContainerFilter
from prismcube.catalogue.records import RecordFilter
from prismcube.errors import Conflict, NotFound
from prismcube.model.entities import LONGEST_URI, Container
from prismcube.model.layout import Layout, SingleCell
from prismcube.model.pattern import Pattern


def layout(name: str) -> Layout:
    return Layout(name=name, grid=SingleCell("EPSG:3857", 10), max_records=1)


FILES = st.lists(  # managed, position of the layout, numbers of the records it holds
    st.tuples(st.booleans(), st.none() | st.integers(0, 1), st.sets(st.integers(0, 2), max_size=2)), max_size=8
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=FILES,
    uri=st.none() | st.sampled_from(["*", "*/2*", "file:///1?", "FILE:///?B(?i)", "file:///3a", ""]),
    managed=st.none() | st.booleans(),
    laid=st.none() | st.integers(0, 1),
    held=st.none() | st.sets(st.integers(0, 2)),
)
def test_filter_equals_going_through_all(
    archive: Any, make: Any, files: Any, uri: str | None, managed: bool | None, laid: int | None, held: Any
) -> None:
    catalogue = archive.catalogue
    catalogue.datasets.delete([one.id for one in catalogue.datasets.list(limit=1000)])  # of the last example
    catalogue.containers.delete([one.id for one in catalogue.containers.list(limit=1000)])
    catalogue.records.delete([one.id for one in catalogue.records.list(limit=1000)])
    layouts = [catalogue.layouts.put(layout(name))[0].id for name in ("zero", "one")]
    for number in range(3):  # a file beside those that are asked for holds each record
        archive.add(f"record {number}")
    records = {one.name: one.id for one in catalogue.records.list()}
    ids = [records[f"record {number}"] for number in range(3)]
    stored = []
    for position, (is_managed, of_layout, holds) in enumerate(files):
        wanted = Container(
            uri=f"file:///{position}{'aB'[position % 2]}",
            managed=is_managed,
            layout_id=None if of_layout is None else layouts[of_layout],
        )
        stored.append(catalogue.containers.create(wanted))
        one = archive.entry("x").holdings[0].datasets[0]
        for band, number in enumerate(sorted(holds), 1):
            keys = {"record_id": ids[number], "container_id": stored[-1].id}
            catalogue.datasets.create(replace(one, **keys, bands=(band,)))
    asked = ContainerFilter(
        uri=None if uri is None else Pattern(uri),
        managed=managed,
        layout_id=None if laid is None else layouts[laid],
        records=None if held is None else RecordFilter(ids=tuple(ids[number] for number in held)),
    )

    def wanted_one(one: Container, holds: set[int]) -> bool:
        return (
            (uri is None or Pattern(uri).matches(one.uri))
            and (managed is None or one.managed is managed)
            and (laid is None or one.layout_id == layouts[laid])
            and (held is None or bool(holds & held))
        )

    beside = [(one, {int(one.uri[-1])}) for one in catalogue.containers.list(limit=3)]
    every = [*beside, *((one, holds) for one, (*_, holds) in zip(stored, files, strict=True))]
    expected = [one for one, holds in every if wanted_one(one, holds)]
    found: list[Container] = []
    while page := catalogue.containers.list(
        asked, after=(found and catalogue.containers.key(found[-1])) or None, limit=2
    ):
        found += page
    assert found == expected
    named = {catalogue.layouts.get_by_id(one.layout_id).name for one in expected if one.layout_id is not None}
    assert catalogue.containers.layouts(asked) == sorted(named)


def test_a_uri_is_stored_once(catalogue: Catalogue) -> None:
    wanted = Container(uri="s3://bucket/a b/ä?x=1#y", storage_class="STANDARD", etag='"1"')
    stored = catalogue.containers.create(wanted)
    assert replace(stored, id=None) == wanted
    assert catalogue.containers.get(wanted.uri) == catalogue.containers.get_by_id(stored.id or 0) == stored
    with pytest.raises(Conflict, match="is stored already") as caught:
        catalogue.containers.create(replace(wanted, etag="2"))
    assert caught.value.key == stored.id
    assert catalogue.containers.list() == [stored]
    with pytest.raises(NotFound, match="no container 'file:///none'"):
        catalogue.containers.get("file:///none")


@pytest.mark.parametrize("managed", [True, False])
def test_a_file_never_changes_hands_nor_place(catalogue: Catalogue, managed: bool) -> None:
    stored = catalogue.containers.create(Container(uri="file:///a", managed=managed))
    taken = replace(stored, managed=not managed)
    for call in (catalogue.containers.put, catalogue.containers.update):
        with pytest.raises(Conflict, match=f"managed is {managed}, not {not managed}"):
            call(taken)
    with pytest.raises(Conflict, match="its URI is file:///a and can't change"):
        catalogue.containers.update(replace(stored, uri="file:///b"))
    with pytest.raises(NotFound, match="no container 99"):
        catalogue.containers.update(replace(stored, id=99))
    assert catalogue.containers.list() == [stored]


def test_what_may_change_of_a_file(catalogue: Catalogue) -> None:
    laid = catalogue.layouts.create(layout("one"))
    stored = catalogue.containers.create(Container(uri="file:///a"))
    changed = replace(stored, storage_class="ARCHIVE", etag="2", layout_id=laid.id)
    assert catalogue.containers.update(changed) == changed
    assert catalogue.containers.get("file:///a") == changed
    assert catalogue.containers.put(replace(changed, id=None)) == (changed, Change.UNCHANGED)
    assert catalogue.containers.put(stored) == (stored, Change.UPDATED)
    assert catalogue.containers.get("file:///a") == stored


def test_an_unknown_layout_is_not_found(catalogue: Catalogue) -> None:
    stored = catalogue.containers.create(Container(uri="file:///a"))
    for call, uri in (
        (catalogue.containers.create, "file:///b"),
        (catalogue.containers.put, "file:///b"),
        (catalogue.containers.put, "file:///a"),
        (catalogue.containers.update, "file:///a"),
    ):
        with pytest.raises(NotFound, match="no layout 99"):
            call(replace(stored, uri=uri, layout_id=99))
    assert catalogue.containers.list() == [stored]


def test_a_uri_may_be_long(catalogue: Catalogue) -> None:
    uri = "file:///" + "".join(chr(33 + (7 * i * i + i) % 93) for i in range(LONGEST_URI - 8))
    stored = catalogue.containers.create(Container(uri=uri))
    assert catalogue.containers.get(uri) == stored
    assert catalogue.containers.list(ContainerFilter(uri=Pattern.literal(uri))) == [stored]
