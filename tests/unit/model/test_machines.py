"""The machines of consolidation, deletion and export: every move of their tables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from prismcube.model.machine import Event, Level, Status, simple_machine
from prismcube.model.machines import CONSOLIDATE, DELETE_DATASETS, EXPORT_CUBE, diagram_of, table_of

PAGE = Path(__file__).parents[3] / "docs" / "concepts" / "consolidation.md"

MACHINES = {"consolidate": CONSOLIDATE, "delete-datasets": DELETE_DATASETS, "export-cube": EXPORT_CUBE}
ANY = pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)


@ANY
def test_when_all_goes_well_a_job_ends_so(machine):
    stage = machine.first
    while stage.task:
        stage = machine.after(stage.name, Event.DONE)
    assert (stage.name, stage.status) == ("done", Status.SUCCESSFUL)


@ANY
def test_what_fails_rests_and_goes_on_where_it_was(machine):
    for stage in machine.stages:
        if not stage.task:
            continue
        rest = machine.after(stage.name, Event.FAILED)
        if rest.task:  # deletion goes on with the rows
            assert stage.name == "delete-files"
            continue
        assert rest.status is Status.FAILED
        assert machine.after(rest.name, Event.RETRY) == stage


@ANY
def test_nothing_goes_on_without_end(machine):
    """From every stage, by done alone, an end or a rest is reached."""
    for stage in machine.stages:
        seen = set()
        while stage.task:
            assert stage.name not in seen
            seen.add(stage.name)
            stage = machine.after(stage.name, Event.DONE)


@ANY
def test_cancel_leads_to_a_job_that_is_dismissed(machine):
    for stage in machine.stages:
        target = machine.after(stage.name, Event.CANCEL)
        if target is not None:
            assert machine.after(target.name, Event.DONE).status is Status.DISMISSED


def test_what_can_not_be_taken_back_can_not_be_cancelled():
    def without_cancel(machine):
        return {stage.name for stage in machine.stages if Event.CANCEL not in stage.moves and not stage.is_end}

    assert without_cancel(CONSOLIDATE) == {"clean", "clean-failed", "rollback", "rollback-failed"}
    assert without_cancel(DELETE_DATASETS) == {
        *("remove", "remove-failed", "remove-rest", "remove-rest-failed", "done-untidy", "rollback", "rollback-failed"),
    }


def test_whose_outputs_are_those_of_the_job():
    """Not of a stage after which it may still fail, be taken back, or go on."""

    def last(machine):
        return {stage.task for stage in machine.stages if stage.task and machine.ends_with(stage.task)}

    assert last(CONSOLIDATE) == {"consolidate.clean"}
    assert last(DELETE_DATASETS) == {"delete.remove", "delete.remove-rest"}
    assert last(EXPORT_CUBE) == {"export.clean"}
    assert last(simple_machine("one", meaning="It works.")) == {"one"}


def test_jobs_wait_before_what_readers_notice():
    def waiting(machine, level):
        return [one.name for one in machine.stages if one.task and level.pauses_at(one.pause)]

    assert waiting(CONSOLIDATE, Level.CRITICAL) == ["swap"]
    assert waiting(CONSOLIDATE, Level.MAJOR) == ["consolidate", "swap"]
    assert waiting(DELETE_DATASETS, Level.CRITICAL) == ["mark", "delete-files"]
    assert waiting(CONSOLIDATE, Level.NONE) == []


@pytest.mark.parametrize("name", MACHINES)
def test_the_docs_are_up_to_date(name):
    """They are written by `PYTHONPATH=. python tests/unit/model/test_machines.py`."""
    assert documented(name) in PAGE.read_text(encoding="utf-8")


def documented(name):
    """A machine as it stands in the docs."""
    machine = MACHINES[name]
    begin = f"<!-- begin {name}: made by tests/unit/model/test_machines.py -->"
    parts = (begin, table_of(machine), f"```mermaid\n{diagram_of(machine)}\n```", f"<!-- end {name} -->")
    return "\n\n".join(parts)


@ANY
def test_the_docs_name_every_stage_and_move(machine):
    table, diagram = table_of(machine), diagram_of(machine)
    for stage in machine.stages:
        assert f"| `{stage.name}` | {stage.status} |" in table
        assert stage.meaning in table
    for stage, event, target in machine.walk():
        assert f"{stage.name.replace('-', '_')} --> {target.replace('-', '_')}: {event}" in diagram


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    for name in MACHINES:
        new = documented(name)
        text = re.sub(rf"<!-- begin {name}:.*?<!-- end {name} -->", lambda _, new=new: new, text, flags=re.DOTALL)
    PAGE.write_text(text, encoding="utf-8")
