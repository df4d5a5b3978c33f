"""The examples that processes publish work as they stand: on the demo's archive, or on files named so."""

from __future__ import annotations

import json
import shutil

import pytest

from prismcube.model.layout import Layout, grid_from_json
from prismcube.model.period import format_instant
from processes import consolidate, delete_datasets, export_cube, loading, tidy, update_mapping
from server.cli.tour import LAYOUT

MANY = {"collection": "s2-romania"}
"""What a person adds to processes that work on any datasets: they need some choice of them."""
ROMANIA = "s2-romania-2015-2021"


@pytest.fixture
def demo(sqlite_bench, demo_data):
    """The catalogue of the demo, with the layout that its tour makes."""
    sqlite_bench.index(demo_data.parent / "s2-romania.yml", demo_data / ROMANIA)
    sqlite_bench.catalogue.layouts.put(Layout(**{**LAYOUT, "grid": grid_from_json(LAYOUT["grid"])}))
    return sqlite_bench


def examples(process, **more):
    """The required inputs, and these with each other one."""
    required = {name: one.example for name, one in process.inputs.items() if one.required}
    optional = {name: one.example for name, one in process.inputs.items() if not one.required}
    return [{**more, **required}, *({**more, **required, name: example} for name, example in optional.items())]


@pytest.mark.parametrize(
    ("process", "more"),
    [
        (consolidate.PROCESS, MANY),
        (delete_datasets.PROCESS, MANY),
        (export_cube.PROCESS, {}),
        (tidy.PROCESS, {}),
        (update_mapping.PROCESS, {}),
    ],
    ids=lambda one: getattr(one, "id", ""),
)
def test_each_example_fits_the_demo(demo, process, more):
    for inputs in examples(process, **more):
        if "bboxCrs" in inputs:  # which is of a bbox
            inputs["bbox"] = process.inputs["bbox"].example
        process.check(demo.tools, inputs)
        process.estimate(demo.tools, inputs)


def test_instances_and_areas_of_the_examples_are_those_of_the_demo(demo):
    instances = consolidate.PROCESS.inputs["instances"].example
    inputs = {"instances": instances, "layout": consolidate.PROCESS.inputs["layout"].example}
    assert consolidate.estimate(demo.tools, inputs).details["dates"] == 140
    wanted = {name: export_cube.PROCESS.inputs[name].example for name in ("collection", "bbox", "bboxCrs", "datetime")}
    told = export_cube.estimate(demo.tools, wanted).details
    assert 0 < told["steps"] < 140
    assert 0 < told["width"] < 100
    uri = {"uri": delete_datasets.PROCESS.inputs["uri"].example}
    assert 0 < delete_datasets.estimate(demo.tools, uri).details["datasets"] < 100


@pytest.mark.parametrize("more", sorted(loading.INDEX.inputs.keys() - {"files", "mapping"}))
def test_the_example_of_index_runs_on_files_named_so(sqlite_bench, demo_data, more):
    for name in ("S2_20150801.tif", "S2_20150811.tif"):
        shutil.copy(demo_data / ROMANIA / name, sqlite_bench.sources)
    inputs = {"mapping": loading.INDEX.inputs["mapping"].example, more: loading.INDEX.inputs[more].example}
    job = sqlite_bench.job(loading.INDEX, files=[str(sqlite_bench.sources)], **inputs).run()
    assert (job.error, job.results["created"], job.results["failed"]) == ("", 2, 0)
    records = [(one.name, format_instant(one.time)) for one in sqlite_bench.catalogue.records.list()]
    wanted = [("S2_20150801", "2015-08-01T00:00:00Z"), ("S2_20150811", "2015-08-11T00:00:00Z")]
    assert records == ([] if more == "simulate" else wanted)


@pytest.mark.parametrize("more", sorted(loading.REGISTER.inputs.keys() - {"sources", "mapping"}))
def test_the_example_of_register_runs_on_an_item_of_such_assets(sqlite_bench, demo_data, more):
    item = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "one",
        "geometry": None,
        "properties": {"datetime": "2015-08-01T00:00:00Z"},
        "links": [],
        "assets": {"red": {"href": str(demo_data / ROMANIA / "S2_20150801.tif"), "roles": ["data"]}},
    }
    path = sqlite_bench.sources / "item.json"
    path.write_text(json.dumps(item))
    inputs = {"mapping": loading.REGISTER.inputs["mapping"].example, more: loading.REGISTER.inputs[more].example}
    job = sqlite_bench.job(loading.REGISTER, sources=[str(path)], **inputs).run()
    assert (job.error, job.results["created"]) == ("", 1)
