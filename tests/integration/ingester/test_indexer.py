"""Indexing real and broken files into a catalogue."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from shapely.geometry import box

from ingester.index import Indexer, Options, Outcome, Status, Summary, parse_mapping, read_mapping
from prismcube.catalogue import Catalogue
from prismcube.errors import Conflict
from prismcube.model.entities import DatasetStatus
from prismcube.model.period import Period

EXAMPLES = Path(__file__).parents[3] / "examples"


def mapping(*, record: str = "{name}", **changes: Any) -> Any:
    dataset = {"instance": "v/i", "bands": [1]} | changes
    return parse_mapping(
        {
            "variables": {"v": {"bands": ["b"], "dtype": "uint8", "nodata": 0}},
            "files": [
                {
                    "pattern": r"(?P<name>.*)_(?P<date>\d{4}-\d\d-\d\d)\.tif",
                    "record": record,
                    "time": "{date}",
                    "tags": {"name": "{name}"},
                    "datasets": [dataset],
                }
            ],
            "collections": {"c": {"fields": {"b": {"instance": "v/i"}}}},
        }
    )


def write(path: Path, *, x: float = 500_000, dtypes: str = "uint8", bands: int = 1, nodata: Any = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "width": 8, "height": 4, "count": bands, "dtype": dtypes, "nodata": nodata}
    with rasterio.open(path, "w", crs="EPSG:32633", transform=Affine(10, 0, x, 0, -10, 5_000_000), **profile) as file:
        file.write(np.ones((bands, 4, 8), dtype=dtypes))
    return path


def run(catalogue: Catalogue, rules: Any, *files: Path) -> tuple[Summary, list[Outcome]]:
    outcomes: list[Outcome] = []
    return Indexer(catalogue, rules, Options(threads=3)).run(files, progress=outcomes.append), outcomes


def test_demo_twice(catalogue: Catalogue, demo_data: Path) -> None:
    rules = read_mapping(EXAMPLES / "s2-romania.yml")
    folder = demo_data / "s2-romania-2015-2021"
    summary, outcomes = run(catalogue, rules, folder)
    assert summary == Summary(created=140, skipped=1, collections=("s2-romania",))
    assert [one.path.name for one in outcomes] == sorted(os.listdir(folder))
    before = catalogue.collections.get("s2-romania")
    again, _ = run(catalogue, rules, folder)
    assert again == Summary(unchanged=140, skipped=1, collections=("s2-romania",))
    assert catalogue.datasets.count() == 280

    collection = catalogue.collections.get("s2-romania")
    assert collection == before
    assert collection.extent is not None
    with rasterio.open(folder / "S2_20150801.tif") as file:
        assert collection.extent.native.transform == file.transform
        assert collection.extent.native.shape == file.shape
    assert (collection.extent.start, collection.extent.end) == (
        datetime(2015, 8, 1, tzinfo=UTC),
        datetime(2021, 1, 1, tzinfo=UTC),
    )
    expected = json.loads((folder / "expected.json").read_text())
    assert expected
    times = catalogue.collections.times(collection)
    assert [f"S2_{time:%Y%m%d}.tif" for time in times] == sorted(file.name for file in folder.glob("*.tif"))
    ndvi = collection.sources(["ndvi"])
    found = catalogue.datasets.find(
        collection, ndvi, period=Period.parse("2016"), area=box(22.15, 45.2, 22.16, 45.21)
    ).datasets
    assert {one.bands for one in found} == {(1, 2, 3, 4)}
    assert len(found) == len(list(folder.glob("S2_2016*.tif")))
    records = catalogue.records.get_many([one.record_id for one in found])
    assert records[0].name == "S2_20160318"
    assert records[0].tags == {"constellation": "sentinel-2", "area": "romania"}


def test_demo_of_one_file_a_band(catalogue: Catalogue, demo_data: Path) -> None:
    rules = read_mapping(EXAMPLES / "l8-paraguay.yml")
    summary, _ = run(catalogue, rules, demo_data / "l8-paraguay-2020")
    assert (summary.created, summary.failed) == (6, 0)
    collection = catalogue.collections.get("l8-paraguay")
    assert collection.group == "day"
    items = catalogue.records.items(collection)
    assert [(record.name, record.tags["row"]) for record, _ in items] == [
        ("LC08_L1TP_224077_20200518", "077"),
        ("LC08_L1TP_224078_20200518", "078"),
    ]
    assert collection.extent is not None
    assert collection.extent.native.shape == (1301, 2000)
    assert len(catalogue.datasets.find(collection, collection.stored_fields).datasets) == 6


def test_bad_files_fail_alone(catalogue: Catalogue, tmp_path: Path, demo_data: Path) -> None:
    folder = tmp_path / "in"
    write(folder / "good_2020-01-01.tif")
    write(folder / "deep" / "er" / "good2_2020-01-02.tif")
    (folder / "empty_2020-01-03.tif").touch()
    (folder / "text_2020-01-03.tif").write_text("no raster")
    cut = write(folder / "cut_2020-01-03.tif")
    cut.write_bytes(cut.read_bytes()[:50])
    write(folder / "date_2020-13-03.tif")
    write(folder / "nodata_2020-01-04.tif", dtypes="float32", nodata=float("nan"))
    write(folder / "notes.txt.tif")
    summary, outcomes = run(catalogue, mapping(), folder, tmp_path / "none_2020-01-01.tif", folder / "notes.txt.tif")
    by_name = {one.path.name: one for one in outcomes}
    failed = {name for name, one in by_name.items() if one.status is Status.FAILED}
    bad = {"empty_2020-01-03.tif", "text_2020-01-03.tif", "cut_2020-01-03.tif", "date_2020-13-03.tif"}
    assert failed == bad | {"none_2020-01-01.tif", "notes.txt.tif"}
    assert all(one.path.name in one.reason for one in outcomes if one.status is Status.FAILED)
    assert "not found" in by_name["none_2020-01-01.tif"].reason
    assert "no pattern" in by_name["notes.txt.tif"].reason
    assert "2020-13-03" in by_name["date_2020-13-03.tif"].reason
    assert (summary.created, summary.failed, summary.skipped) == (3, 6, 1)
    collection = catalogue.collections.get("c")  # with the extent of what is good
    assert collection.extent is not None
    assert collection.extent.end == datetime(2020, 1, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rule", "file", "reason"),
    [
        ({"bands": [2]}, {}, "has 1 band.*needs band 2"),
        ({}, {"dtypes": "uint16"}, ""),
        ({"nodata": 300}, {}, "nodata 300.* is not a value of uint8"),
        ({"nodata": None}, {}, ""),
        ({"mapping": {"imax": 200, "emax": 100}}, {}, ""),
    ],
)
def test_validation(catalogue: Catalogue, tmp_path: Path, rule: Any, file: Any, reason: str) -> None:
    path = write(tmp_path / "a_2020-01-01.tif", **file)
    _, [outcome] = run(catalogue, mapping(**rule), path)
    if reason:
        assert outcome.status is Status.FAILED
        assert re.search(reason, outcome.reason)
    else:
        assert outcome.status is Status.CREATED


def test_changed_file_and_changed_grid(catalogue: Catalogue, tmp_path: Path) -> None:
    path = write(tmp_path / "a_2020-01-01.tif")
    assert run(catalogue, mapping(), path)[1][0].status is Status.CREATED
    os.utime(path, ns=(1, 1))
    assert run(catalogue, mapping(), path)[1][0].status is Status.UPDATED
    write(path, x=600_000)
    assert run(catalogue, mapping(), path)[1][0].status is Status.UPDATED
    collection = catalogue.collections.get("c")
    (found,) = catalogue.datasets.find(collection, collection.stored_fields).datasets
    assert found.grid.bounds.west == 600_000
    assert collection.extent.native.bounds == found.grid.bounds


def test_a_file_of_another_record_is_refused(catalogue: Catalogue, tmp_path: Path) -> None:
    path = write(tmp_path / "a_2020-01-01.tif")
    run(catalogue, mapping(), path)
    [outcome] = run(catalogue, mapping(record="another"), path)[1]
    assert "record is 'a'" in outcome.reason
    assert "not 'another'" in outcome.reason


def test_a_variable_in_another_format_stops_the_run(catalogue: Catalogue, tmp_path: Path) -> None:
    path = write(tmp_path / "a_2020-01-01.tif")
    run(catalogue, mapping(), path)
    rules = mapping()
    variable = rules.variables["v"]
    rules = replace(rules, variables={"v": replace(variable, format=replace(variable.format, dtype="int16"))})
    with pytest.raises(Conflict, match="dtype is uint8, not int16"):
        run(catalogue, rules, path)


def test_other_collections_of_the_instance_are_refreshed(catalogue: Catalogue, tmp_path: Path) -> None:
    run(catalogue, mapping(), write(tmp_path / "a_2020-01-01.tif"))
    catalogue.collections.put(replace(catalogue.collections.get("c"), name="other"))
    rules = replace(mapping(), collections=())
    summary, _ = run(catalogue, rules, write(tmp_path / "b_2021-01-01.tif"))
    assert summary.collections == ("c", "other")
    for name in summary.collections:
        extent = catalogue.collections.get(name).extent
        assert extent is not None
        assert extent.end.year == 2021


def test_interrupted_run_shows_what_it_stored(catalogue: Catalogue, tmp_path: Path) -> None:
    paths = [write(tmp_path / f"{i}_2020-01-0{i}.tif") for i in (1, 2)]

    def stop(outcome: Outcome) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Indexer(catalogue, mapping(), Options(threads=1)).run(paths, progress=stop)
    extent = catalogue.collections.get("c").extent
    assert extent is not None
    assert extent.end.day == 2


@pytest.mark.parametrize("name", ['it\'s "x"', "湖 ü", "%41#?", "'; DROP TABLE dataset; --"])
def test_names_of_all_sorts(catalogue: Catalogue, tmp_path: Path, name: str) -> None:
    path = write(tmp_path / f"{name}_2020-01-01.tif")
    assert run(catalogue, mapping(), path)[1][0].status is Status.CREATED
    assert run(catalogue, mapping(), path)[1][0].status is Status.UNCHANGED
    [(record, _)] = catalogue.records.items(catalogue.collections.get("c"))
    assert (record.name, record.tags) == (name, {"name": name})
    collection = replace(catalogue.collections.get("c"), name="odd", record_tags={"name": name})
    stored, _ = catalogue.collections.put(collection)
    [found] = catalogue.datasets.find(stored, stored.stored_fields).datasets
    assert found.uri == path.as_uri()


def test_more_than_a_batch(catalogue: Catalogue, tmp_path: Path) -> None:
    first = write(tmp_path / "in" / "0_2020-01-01.tif")
    for number in range(1, 450):
        shutil.copy(first, first.with_name(f"{number}_2020-01-01.tif"))
    summary, outcomes = run(catalogue, mapping(), tmp_path / "in")
    assert summary.created == len(outcomes) == 450
    assert run(catalogue, mapping(), tmp_path / "in", first)[0].unchanged == 451


@pytest.mark.parametrize("status", [DatasetStatus.TO_DELETE, DatasetStatus.INACTIVE])
def test_what_was_replaced_or_hidden_stays_so(catalogue: Catalogue, tmp_path: Path, status: DatasetStatus) -> None:
    """An archive that is indexed each night is so after it was consolidated, too; also when its files are opened."""
    path = write(tmp_path / "a_2020-01-01.tif")
    run(catalogue, mapping(), path)
    collection = catalogue.collections.get("c")
    [one] = catalogue.datasets.find(collection, collection.stored_fields).datasets
    catalogue.datasets.set_status([one.id or 0], status)
    for options in (Options(), Options(deep=True), Options(replace=True)):
        assert Indexer(catalogue, mapping(), options).run([path]).unchanged == 1
    write(path, x=600_000)
    assert Indexer(catalogue, mapping(), Options()).run([path]).updated == 1
    [kept] = catalogue.datasets.get_many([one.id or 0])
    assert (kept.status, kept.grid.transform.c) == (status, 600_000)
    assert catalogue.datasets.find(collection, collection.stored_fields).datasets == []
