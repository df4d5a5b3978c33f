"""Indexing and registering as processes: what the commands do, by a job."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import yaml

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
    }
    assert len(bench.datasets()) == 6
    again = bench.job(loading.INDEX, files=files, mapping=mapping).run()
    assert again.results["unchanged"] == 3
    assert loading.estimate_index(bench.tools, {"files": files, "mapping": mapping}).details == {"sources": 3}
    folder = tmp_path / "more"
    (folder / "below").mkdir(parents=True)
    for name in ("a", "below/b", "below/c"):
        (folder / name).touch()
    told = loading.estimate_index(bench.tools, {"files": [str(folder), *files], "mapping": mapping})
    assert told.details == {"sources": 6}

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


def test_items_are_registered(romania, tmp_path):
    bench, mapping, files = romania
    rule = mapping["files"][0]
    rules = {
        "variables": mapping["variables"],
        "items": [
            {
                "collection": "forest",
                "record": "{id}",
                "time": "{datetime}",
                "assets": [{"key": "image", "datasets": rule["datasets"]}],
            }
        ],
    }
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "one",
        "collection": "forest",
        "geometry": None,
        "properties": {"datetime": "2015-08-01T00:00:00Z"},
        "links": [],
        "assets": {"image": {"href": files[0], "roles": ["data"]}},
    }
    path = tmp_path / "item.json"
    path.write_text(json.dumps(item))
    job = bench.job(loading.REGISTER, sources=[str(path)], mapping=rules).run()
    assert job.stage.name == "done", job.error
    assert job.results["created"] == 1
    assert loading.estimate_register(bench.tools, {"sources": ["a"]}).details == {"documents": 1}


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
