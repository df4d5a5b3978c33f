"""Every process says what it takes: schemas that are schemas, and examples that fit them."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from ingester.mapping import parse_mapping
from prismcube.consolidation.planning import Order
from prismcube.consolidation.selection import Selection
from prismcube.errors import InvalidInput
from processes import consolidate, delete_datasets, export_cube, loading, tidy, update_mapping
from processes.process import Input, Process

PROCESSES = [module.PROCESS for module in (consolidate, delete_datasets, export_cube, tidy, update_mapping)]
PROCESSES += [loading.INDEX, loading.REGISTER]
EACH = pytest.mark.parametrize("process", PROCESSES, ids=lambda one: one.id)


@EACH
def test_schemas_are_schemas_and_examples_fit(process):
    for name, one in process.inputs.items():
        Draft202012Validator.check_schema(one.schema)
        assert Draft202012Validator(one.schema).is_valid(one.example), name
        assert one.title
        assert one.description.endswith(".")
    for one in process.outputs.values():
        Draft202012Validator.check_schema(one.schema)
    Draft202012Validator.check_schema(process.schema)


@EACH
def test_the_schema_of_all_inputs_refuses_others(process):
    validator = Draft202012Validator(process.schema)
    examples = {name: one.example for name, one in process.inputs.items()}
    assert validator.is_valid(examples)
    assert not validator.is_valid({**examples, "unknown": 1})
    for name, one in process.inputs.items():
        rest = {key: value for key, value in examples.items() if key != name}
        assert validator.is_valid(rest) is not one.required
        assert (
            not validator.is_valid({**examples, name: {"no": ["such", "thing"]}}) or one.schema.get("type") == "object"
        )


@EACH
def test_a_body_for_every_kind_of_task(process):
    assert {stage.task for stage in process.machine.stages if stage.task} == process.bodies.keys()


def test_a_process_without_a_body_or_with_a_required_default_is_no_process():
    like = tidy.PROCESS
    given = {name: getattr(like, name) for name in ("id", "title", "description", "outputs", "machine", "estimate")}
    with pytest.raises(ValueError, match="bodies"):
        Process(**given, inputs={}, bodies={})
    wrong = Input(title="t", description="d", schema={"default": 1}, example=1, required=True)
    with pytest.raises(ValueError, match="default"):
        Process(**given, inputs={"x": wrong}, bodies=like.bodies)


def test_the_example_of_a_mapping_is_one():
    assert parse_mapping(loading.INDEX.inputs["mapping"].example).files


def test_a_selection_from_inputs():
    selection = Selection.from_inputs(
        {
            "instances": ["v/i"],
            "records": ["1-3", 7],
            "filter": {"name": "S2*", "tags": {"a": "b"}, "datetime": "2020", "bbox": [179, 0, -179, 1]},
        }
    )
    assert selection.records == (1, 2, 3, 7)
    assert selection.period.start.year == 2020
    assert len(selection.area.geoms) == 2  # across the date line
    assert selection.filters_records
    assert not Selection.from_inputs({"instances": ["v/i"]}).filters_records


@pytest.mark.parametrize(
    ("inputs", "parameter"),
    [
        ({"filter": {"datetime": "x"}}, "filter.datetime"),
        ({"filter": {"bbox": [0, 2, 1, 1]}}, "filter.bbox"),
        ({"filter": {"name": "a\0"}}, "filter.pattern"),
        ({"records": ["5-1"]}, "records"),
    ],
)
def test_selections_that_are_refused(inputs, parameter):
    with pytest.raises(InvalidInput) as raised:
        Selection.from_inputs(inputs)
    assert raised.value.parameter == parameter


@pytest.mark.parametrize("time", ["yesterday", "2020-13-01"])
def test_collapse_needs_a_time(time):
    inputs = {"instances": ["v/i"], "layout": "l", "collapse": {"name": "n", "time": time}}
    with pytest.raises(InvalidInput) as raised:
        Order.from_inputs(inputs)
    assert raised.value.parameter == "collapse.time"
