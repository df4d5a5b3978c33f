"""Indexing and registering as processes: what the commands do, by a job."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from ingester.loading import Options
from prismcube.errors import InvalidInput, TimeExceeded
from processes import loading


@pytest.fixture
def romania(sqlite_bench, demo_data):
    mapping = yaml.safe_load((demo_data.parent / "s2-romania.yml").read_text())
    folder = demo_data / "s2-romania-2015-2021"
    return sqlite_bench, mapping, [str(folder / f"S2_201508{day}.tif") for day in ("01", "11", "31")]


def test_files_are_indexed(romania, tmp_path):
    bench, mapping, files = romania
    simulated = bench.job(loading.INDEX, files=files, mapping=mapping, simulate=True).run()
    assert (simulated.results["created"], bench.datasets()) == (3, [])
    job = bench.job(loading.INDEX, files=files, mapping=mapping).run()
    assert job.results == {
        "created": 3,
        "updated": 0,
        "unchanged": 0,
        "skipped": 0,
        "failed": 0,
        "collections": ["s2-romania"],
        "read_bytes": 0,
    }
    assert len(bench.datasets()) == 6
    again = bench.job(loading.INDEX, files=files, mapping=mapping).run()
    assert again.results["unchanged"] == 3
    told = loading.estimate_index(bench.tools, {"files": files, "mapping": mapping}).to_json()
    size = sum(os.path.getsize(file) for file in files)
    wanted = {"tasks": 1, "files": 3, "readBytes": 0, "writtenBytes": 0, "sources": 3, "sourceBytes": size}
    assert told == wanted
    told = loading.estimate_index(bench.tools, {"files": files, "mapping": mapping, "deep": True}).to_json()
    assert told == wanted | {"readBytes": size}
    folder = tmp_path / "more"
    (folder / "below").mkdir(parents=True)
    for name in ("a", "below/b", "below/c"):
        (folder / name).touch()
    told = loading.estimate_index(bench.tools, {"files": [str(folder), *files], "mapping": mapping})
    assert (told.files, told.details) == (3, {"sources": 6, "sourceBytes": size})  # no rule takes the others

    def stop():
        raise TimeExceeded(1)

    with pytest.raises(TimeExceeded):
        loading.estimate_index(replace(bench.tools, stop=stop), {"files": [str(folder)], "mapping": mapping})


def test_files_that_fail_are_told(romania, tmp_path):
    bench, mapping, files = romania
    broken = tmp_path / "S2_20150802.tif"
    broken.write_text("no image")
    job = bench.job(loading.INDEX, files=[*files, str(broken)], mapping=mapping).run()
    assert (job.stage.name, job.results["created"], job.results["failed"]) == ("done", 3, 1)
    assert any("S2_20150802.tif" in text for text in job.messages)
    alone = bench.job(loading.INDEX, files=[str(broken)], mapping=mapping).run()
    assert alone.stage.name == "failed"
    assert "S2_20150802.tif" in alone.error


def items(folder, files):
    """Path of a list of items, one for each file."""
    features = [
        {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": Path(file).stem,
            "collection": "forest",
            "geometry": None,
            "properties": {"datetime": "2015-08-01T00:00:00Z"},
            "links": [],
            "assets": {"image": {"href": file, "roles": ["data"]}},
        }
        for file in files
    ]
    path = folder / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return str(path)


def of_items(mapping):
    """A mapping of the items, with the datasets that one of files has."""
    [rule] = mapping["files"]
    asset = {"key": "image", "datasets": rule["datasets"]}
    rules = {"collection": "forest", "record": "{id}", "time": "{datetime}", "assets": [asset]}
    return {"variables": mapping["variables"], "items": [rules]}


def test_items_are_registered(romania, tmp_path):
    bench, mapping, files = romania
    sources = [items(tmp_path, files[:1])]
    job = bench.job(loading.REGISTER, sources=sources, mapping=of_items(mapping)).run()
    assert job.stage.name == "done", job.error
    assert job.results["created"] == 1
    inputs = {"sources": ["a"], "mapping": of_items(mapping)}
    told = loading.estimate_register(bench.tools, inputs).to_json()
    assert told == {"tasks": 1, "files": None, "readBytes": 0, "writtenBytes": 0, "documents": 1}
    assert loading.estimate_register(bench.tools, inputs | {"deep": True}).read_bytes is None


def test_what_can_not_be_indexed_is_refused(romania):
    bench, mapping, files = romania
    for inputs, parameter in [
        ({"files": ["/no/such/file"], "mapping": mapping}, "files"),
        ({"files": ["/" + "long" * 250], "mapping": mapping}, "files"),
        ({"files": ["/a\0b"], "mapping": mapping}, "files"),
        ({"files": ["relative.tif"], "mapping": mapping}, "files"),
        ({"files": files, "mapping": {"file": []}}, "mapping"),
    ]:
        with pytest.raises(InvalidInput) as raised:
            bench.job(loading.INDEX, **inputs)
        assert raised.value.parameter == parameter
        if parameter == "files":
            with pytest.raises(InvalidInput, match="files"):
                loading.estimate_index(bench.tools, inputs)


@pytest.mark.parametrize("process", [loading.INDEX, loading.REGISTER], ids=lambda one: one.id)
def test_pixels_that_are_read_count_and_a_budget_holds(romania, tmp_path, process):
    bench, mapping, files = romania
    folder = Path(files[0]).parent
    files = sorted(map(str, folder.glob("S2_2016*.tif")))  # many times those that are open at once
    inputs = {"files": files, "mapping": mapping, "deep": True}
    if process is loading.REGISTER:
        inputs = {"sources": [items(tmp_path, files)], "mapping": of_items(mapping), "deep": True}
    whole = bench.job(process, **inputs).run()
    sizes = [os.path.getsize(file) for file in files]
    assert (whole.results["created"], whole.results["read_bytes"]) == (len(files), sum(sizes))
    again = bench.job(process, **inputs).run()  # all are opened anew
    assert (again.results["unchanged"], again.results["read_bytes"]) == (len(files), sum(sizes))
    assert bench.job(process, **inputs | {"deep": False}).run().results["read_bytes"] == 0
    part = bench.job(process, **inputs)
    part.left_bytes = sum(sizes) // 4
    part.run()
    read = part.results["read_bytes"]
    # More than it may, by which the ledger knows; by the files that are open at once at most.
    assert part.left_bytes < read <= part.left_bytes + Options().threads * max(sizes)
    assert 0 < part.results["unchanged"] < len(files)
    assert part.messages == [f"no more files are looked at: {read:,} bytes were read"]


def test_what_deep_indexing_reads_is_what_was_estimated(romania):
    bench, mapping, files = romania
    inputs = {"files": files, "mapping": mapping, "deep": True}
    read = bench.job(loading.INDEX, **inputs).run().results["read_bytes"]
    assert loading.estimate_index(bench.tools, inputs).read_bytes == read


def test_more_files_than_may_be_asked_for_are_of_unknown_size(romania, monkeypatch):
    bench, mapping, files = romania
    monkeypatch.setattr("prismcube.storage.sizes.MOST_LOCAL", 2)
    told = loading.estimate_index(bench.tools, {"files": files, "mapping": mapping, "deep": True})
    assert (told.files, told.read_bytes, told.details["sourceBytes"]) == (3, None, None)


def test_a_damaged_file_counts_as_well(romania, tmp_path):
    bench, mapping, files = romania
    shutil.copy(files[0], tmp_path / "S2_20150801.tif")
    cut = tmp_path / "S2_20150811.tif"
    cut.write_bytes(Path(files[1]).read_bytes()[:-5000])
    job = bench.job(
        loading.INDEX, files=[str(tmp_path / "S2_20150801.tif"), str(cut)], mapping=mapping, deep=True
    ).run()
    assert (job.results["created"], job.results["failed"]) == (1, 1)
    assert job.results["read_bytes"] == cut.stat().st_size + os.path.getsize(files[0])
