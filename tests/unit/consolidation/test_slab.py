"""Slabs: every record of a cell in one file, whatever there was before."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, box

from prismcube.consolidation.slab import Slab, plan_cell, plan_collapsed
from prismcube.model.cells import Cell
from prismcube.model.entities import Dataset
from prismcube.model.formats import DataFormat, ValueMapping
from prismcube.model.grid import Grid

CELL = Cell("3/4", Grid("EPSG:32633", Affine(10, 0, 0, 0, -10, 0), 64, 64))
START = datetime(2020, 1, 1, tzinfo=UTC)


def dataset(id, record, container):
    return Dataset(
        id=id,
        record_id=record,
        instance_id=1,
        container_id=container,
        time=START + timedelta(days=record % 7),
        uri=f"file:///{container}.tif",
        bands=(1,),
        format=DataFormat(dtype="uint8"),
        mapping=ValueMapping(),
        grid=CELL.grid,
        footprint=MultiPolygon([box(0, 0, 1, 1)]),
    )


@st.composite
def cells(draw):
    """Datasets of a cell (record, container, is settled), which records are wanted, and how many fit into a file."""
    most = draw(st.integers(1, 5))
    found = draw(st.lists(st.tuples(st.integers(1, 12), st.integers(1, 8)), max_size=25, unique=True))
    datasets = [dataset(id, record, container) for id, (record, container) in enumerate(found, start=1)]
    settled = draw(st.sets(st.integers(1, 8)))
    wanted = draw(st.sets(st.integers(1, 12)))
    return datasets, settled, wanted, most


def planned(case):
    datasets, settled, wanted, most = case
    return plan_cell(
        CELL,
        datasets,
        instance=1,
        max_records=most,
        is_wanted=lambda one: one.record_id in wanted,
        is_settled=lambda one: one.container_id in settled,
    )


@given(cells())
def test_every_wanted_record_is_once_in_a_file(case):
    datasets, _settled, wanted, _most = case
    plan = planned(case)
    pages = [page for slab in plan.slabs for page in slab.pages]
    in_slabs = Counter(page.record for page in pages)
    by_id = {one.id: one for one in datasets}
    kept = Counter(by_id[id].record_id for id in plan.kept)
    for record in {one.record_id for one in datasets} & wanted:
        assert in_slabs[record] + kept[record] == 1
    assert max(in_slabs.values(), default=0) <= 1


@given(cells())
def test_files_are_filled_one_after_the_other_by_time(case):
    datasets, _settled, _wanted, most = case
    plan = planned(case)
    sizes = [len(slab.pages) for slab in plan.slabs]
    assert all(size == most for size in sizes[:-1])
    assert all(0 < size <= most for size in sizes)
    assert [slab.number for slab in plan.slabs] == list(range(len(sizes)))
    times = {one.record_id: one.time for one in datasets}
    order = [(times[page.record], page.record) for slab in plan.slabs for page in slab.pages]
    assert order == sorted(order)


@given(cells())
def test_nothing_that_others_hold_is_replaced_unless_it_is_copied(case):
    datasets, settled, wanted, _most = case
    plan = planned(case)
    by_id = {one.id: one for one in datasets}
    copied = {page.datasets[0] for slab in plan.slabs for page in slab.pages if page.is_copy}
    for id in plan.replaced:
        assert by_id[id].record_id in wanted or id in copied
    for id in copied:  # of a date that is settled, alone, and in a file that is not full
        one = by_id[id]
        assert one.container_id in settled
        assert [other.id for other in datasets if other.record_id == one.record_id] == [id]
    assert not set(plan.kept) & set(plan.replaced)


@given(cells())
def test_full_files_and_cells_without_anything_new_stay(case):
    datasets, settled, _wanted, most = case
    plan = planned(case)
    new = [page for slab in plan.slabs for page in slab.pages if not page.is_copy]
    if not new:
        assert plan.slabs == ()
    alone = {r for r, n in Counter(one.record_id for one in datasets).items() if n == 1}
    in_file = Counter(one.container_id for one in datasets if one.container_id in settled and one.record_id in alone)
    by_id = {one.id: one for one in datasets}
    for slab in plan.slabs:
        for page in slab.pages:
            assert not page.is_copy or in_file[by_id[page.datasets[0]].container_id] < most


@given(cells())
def test_sources_are_in_the_order_in_which_readers_lay_them(case):
    datasets, _, _, _ = case
    place = {one.id: (one.time, one.id) for one in datasets}
    for slab in planned(case).slabs:
        for page in slab.pages:
            assert list(page.datasets) == sorted(page.datasets, key=place.__getitem__)


@given(cells())
def test_slabs_survive_json(case):
    for slab in planned(case).slabs:
        assert Slab.from_json(slab.to_json()) == slab


@given(cells())
def test_collapsed_records_are_one_date_of_all(case):
    datasets = case[0]
    plan = plan_collapsed(CELL, datasets, instance=1)
    if not datasets:
        assert plan.slabs == ()
        return
    [slab] = plan.slabs
    [page] = slab.pages
    assert sorted(page.datasets) == [one.id for one in datasets]
    assert (page.record, plan.replaced) == (0, ())
