"""No hot query reads a large table from end to end, and all use the indexes that the docs tell."""

import itertools
from pathlib import Path

import pytest

from prismcube.catalogue import Catalogue, migrate
from server.bench import copies, data, page, plans

DOCS = Path(__file__).resolve().parents[3] / "docs" / "reference" / "query-plans.md"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def filled(request, tmp_path_factory):
    """A catalogue of 10^5 datasets, with the bench's collection; only for reading."""
    url = f"sqlite:///{tmp_path_factory.mktemp('plans')}/catalogue.db"
    url = url if request.param == "sqlite" else request.getfixturevalue("postgresql").empty()
    migrate(url)
    catalogue = Catalogue(url)
    yield catalogue, copies.fill(catalogue)
    catalogue.close()


def test_hot_queries_use_the_indexes_of_the_docs(filled):
    explained = plans.explained(*filled)
    assert {one.name: one.read_whole for one in explained if one.read_whole} == {}
    column = [*page.TITLES].index(filled[0].engine.dialect.name)
    told = _rows(DOCS.read_text())
    for one in explained:
        assert told[one.name][column] == page.listed(one.indexes), f"{one.name}: make the page anew; see its head"
    assert len(told) == len(explained)


def test_copies_are_what_the_repositories_would_have_stored(filled):
    catalogue, found_in = filled
    assert catalogue.datasets.count() == copies.DATASETS
    for at in (0, copies.FIRST - 1, copies.FIRST, copies.DATASETS - 1):
        [wanted] = data.files(at, 1, found_in.stored_fields[0].instance_id)
        [holding] = wanted.holdings
        day = data.period_of(at // data.SHARE, 1)
        area = data.area_of(data.place_of(at))
        [found] = catalogue.datasets.find(found_in, found_in.stored_fields, period=day, area=area).datasets
        assert found.footprint == holding.datasets[0].footprint
        record = catalogue.records.get(found.record_id)
        assert (record.name, record.time) == (holding.record.name, holding.record.time)
    times = catalogue.collections.times(found_in)
    assert times == [data.T0 + day * data.DAY for day in range(copies.DATASETS // data.SHARE)]


def test_statistics_that_somebody_made_change_nothing_and_a_missing_index_is_noticed(tmp_path):
    migrate(f"sqlite:///{tmp_path}/catalogue.db")
    catalogue = Catalogue(f"sqlite:///{tmp_path}/catalogue.db")
    found_in = copies.fill(catalogue)

    def read_whole_after(*statements):
        with catalogue.engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        catalogue.engine.dispose()  # statistics are read by new connections
        return {one.name: one.read_whole for one in plans.explained(catalogue, found_in) if one.read_whole}

    assert read_whole_after("ANALYZE") == {}
    whole = read_whole_after("DROP INDEX ix_record_time_id")
    assert whole["items, page 1"] == ("record",)
    catalogue.close()


def _rows(text):
    """{query: [indexes on SQLite, on PostgreSQL]} of the first table of the page."""
    lines = itertools.takewhile(str.strip, text.partition("| --- | --- | --- |\n")[2].splitlines())
    return {cells[0]: cells[1:] for cells in ([cell.strip() for cell in line.strip("| ").split("|")] for line in lines)}
