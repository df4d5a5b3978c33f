"""`prismcube bench`, as one types it."""

import json
import os
from pathlib import Path

import psycopg
import pytest

from prismcube.model.entities import Record
from server.bench import catalogue as bench
from server.bench import data, figures, plans
from tests import commands

ROOT = Path(__file__).resolve().parents[3]
TINY = data.Size(datasets=1_000, records=200, repeats=3, seconds=1)


def prismcube(*words):
    """(exit code, everything it printed)"""
    env = {name: value for name, value in os.environ.items() if name != "PRISMCUBE_BENCH_POSTGRES"}
    ended = commands.run(*words, env={**env, "COLUMNS": "250"})
    return ended.returncode, ended.stdout + ended.stderr


def test_small_without_postgresql_says_so_and_writes_json(tmp_path):
    code, text = prismcube("bench", "catalogue", "--size", "small", "--json", tmp_path / "figures.json")
    assert code == 0, text
    assert "PostgreSQL: not measured" in text
    told = json.loads((tmp_path / "figures.json").read_text())
    assert {"machine", "versions", "databases", "size", "figures", "not_measured"} <= told.keys()
    assert [*told["databases"]] == ["SQLite"]
    assert told["not_measured"]
    by_name = {one["name"]: one for one in told["figures"]}
    assert by_name["49 of 200 datasets on one place"]["bar"] == 20
    assert by_name["errors under load"]["value"] == 0
    assert all(name in text for name in by_name)


def test_both_databases_are_measured_and_left_empty(url):
    was_made = url.startswith("sqlite")
    if was_made:
        url = url.replace("catalogue.db", "bench.db")
    name, version, found = bench.measure(url, TINY, progress=lambda *_: None)
    assert name in version
    names = [one.name for one in found]
    assert ("the same by the original's query" in names) is (name == "PostgreSQL")
    assert {"datasets indexed", "records created", "items, page 10", "errors under load"} <= {*names}
    assert found[-1].value == 0, found[-1].note
    if was_made:
        assert not list(Path(url.removeprefix("sqlite:///")).parent.glob("bench.db*"))
        return
    with psycopg.connect(url) as connection:
        for table in ("record", "dataset", "collection", "outbox"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)


def test_a_catalogue_in_use_is_refused(catalogue, url):
    catalogue.records.create(Record(name="precious", time=data.T0))
    code, text = prismcube("bench", "catalogue", "--url", url)
    assert code == 2
    assert "--url" in text
    assert ("1 rows in record" in text) or ("exists" in text)
    assert "Traceback" not in text
    [kept] = catalogue.records.list()
    assert kept.name == "precious"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--url", "mysql://localhost/x"), "not supported"),
        (("--size", "huge"), "huge"),
        (("--json", "/no/such/folder/figures.json"), "is not a folder"),
    ],
)
def test_mistakes_are_told(words, told):
    code, text = prismcube("bench", "catalogue", *words)
    assert code == 2
    assert told in text
    assert "Traceback" not in text


def test_a_server_that_does_not_answer_is_told(tmp_path):
    code, text = prismcube("bench", "catalogue", "--url", f"postgresql://x@/x?host={tmp_path}")
    assert code == 1
    assert "error:" in text
    assert "Traceback" not in text


def test_help_has_examples():
    for verb in ("catalogue", "plans"):
        code, text = prismcube("bench", verb, "--help")
        assert code == 0
        assert f"Example: prismcube bench {verb}" in text


@pytest.mark.parametrize(
    ("unit", "value", "bar", "passes"),
    [
        ("ms", 20.0, 20.0, True),
        ("ms", 20.1, 20.0, False),
        ("/s", 2000.0, 2000.0, True),
        ("/s", 1999.0, 2000.0, False),
        ("errors", 0, 0, True),
        ("ms", 5.0, None, None),
    ],
)
def test_bars(unit, value, bar, passes):
    assert figures.Figure(name="", database="", unit=unit, value=value, bar=bar).passes is passes


def test_the_99th_percentile_is_the_worst_of_few_and_leaves_out_one_in_a_hundred():
    assert figures.worst([3.0, 1.0, 2.0]) == 3.0
    assert figures.worst([float(one) for one in range(1, 101)]) == 99.0
    assert figures.worst([float(one) for one in range(1, 201)]) == 198.0


@pytest.mark.parametrize(
    ("database", "plan", "whole"),
    [
        ("sqlite", "SCAN dataset", ("dataset",)),
        ("sqlite", "SCAN dataset\nLIST SUBQUERY 1", ("dataset",)),
        ("sqlite", "SCAN record USING COVERING INDEX ix_record_name", ("record",)),
        ("sqlite", "SCAN record USING INDEX ix_record_time_id", ()),  # in order, for a page
        ("sqlite", "SCAN dataset_rtree VIRTUAL TABLE INDEX 2:B0", ()),
        ("sqlite", "SCAN aoi", ()),  # not among the large ones
        ("postgresql", "Sort\n  ->  Seq Scan on record", ("record",)),
        ("postgresql", "Limit\n  ->  Seq Scan on record", ()),
        ("postgresql", "Limit\n  ->  Sort\n        ->  Parallel Seq Scan on dataset d", ("dataset",)),
        ("postgresql", "Index Scan using pk_dataset on dataset", ()),
    ],
)
def test_tables_read_whole(database, plan, whole):
    assert plans.read_whole(plan, database) == whole
