"""The machines of consolidation, deletion and export: every move of their tables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from prismcube.jobs.graph import StageGraph
from prismcube.model.machine import GIVEN_UP, Event, Level, Status, simple_machine, unknown_machine
from prismcube.model.machines import CONSOLIDATE, DELETE_DATASETS, EXPORT_CUBE, table_of
from prismcube.model.task_states import table_of_task_states
from providers.ogc.processes.drawing import draw
from providers.ogc.processes.task_drawing import draw_task_states

DOCS = Path(__file__).parents[3] / "docs"
CONSOLIDATION = DOCS / "concepts" / "consolidation.md"
TROUBLE = DOCS / "how-to" / "when-jobs-go-wrong.md"
PICTURES = DOCS / "images"

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
    assert waiting(EXPORT_CUBE, Level.ALL) == ["prepare", "compute", "write", "clean"], "whoever cancels has decided"


def test_a_job_that_nobody_knows_can_be_given_up_and_that_is_all():
    machine = unknown_machine("former", "work")
    assert [*machine.walk()] == [(machine.first, Event.CANCEL, GIVEN_UP.name)]
    over = unknown_machine("former", "work", ended=Status.FAILED)
    assert (over.first.status, [*over.walk()]) == (Status.FAILED, [])


SIMPLE = simple_machine("work", meaning="The work is being done, by one task.")
DOCUMENTED = {**MACHINES, "small": SIMPLE, "given-up": unknown_machine("former", "work")}
PAGES = {CONSOLIDATION: [*MACHINES, "small"], TROUBLE: ["task-states", "given-up"]}
"""What stands on which page."""
WRITTEN = pytest.mark.parametrize(("page", "name"), [(page, name) for page, names in PAGES.items() for name in names])


@WRITTEN
def test_the_docs_are_up_to_date(page, name):
    """They are written by `PYTHONPATH=. python tests/unit/model/test_machines.py`."""
    assert documented(name) in page.read_text(encoding="utf-8")
    assert picture(name) == (PICTURES / f"{name}.svg").read_text(encoding="utf-8")


def documented(name):
    """A machine, or the states of tasks, as it stands in the docs."""
    begin = f"<!-- begin {name}: made by tests/unit/model/test_machines.py -->"
    machine = DOCUMENTED.get(name)
    shown = f"![{title(name)}, and what leads from one to another](../images/{name}.svg)"
    table = table_of(machine) if machine else table_of_task_states()
    return "\n\n".join((begin, shown, table, f"<!-- end {name} -->"))


def picture(name):
    if name not in DOCUMENTED:
        return draw_task_states(title=title(name))
    stages = [
        StageGraph(stage=stage, is_here=False, counts={}, tasks=[], edges=[]) for stage in DOCUMENTED[name].stages
    ]
    return draw(stages, title=title(name))


def title(name):
    return f"The stages of {name}" if name in DOCUMENTED else "The states of tasks"


@pytest.mark.parametrize("name", DOCUMENTED)
def test_the_docs_name_every_stage_and_move(name):
    machine, table, shown = DOCUMENTED[name], table_of(DOCUMENTED[name]), picture(name)
    for stage in machine.stages:
        assert f"| `{stage.name}` | {stage.status} |" in table
        assert stage.meaning in table
        assert f">{stage.name}</text>" in shown
    assert shown.count('marker-end="url(#tip)"><title>') == len({(one.name, to) for one, _, to in machine.walk()})
    for event in {event for _, event, _ in machine.walk()}:
        assert f">{event}</text>" in shown


if __name__ == "__main__":
    for page, names in PAGES.items():
        text = page.read_text(encoding="utf-8")
        for name in names:
            new = documented(name)
            text = re.sub(rf"<!-- begin {name}:.*?<!-- end {name} -->", lambda _, new=new: new, text, flags=re.DOTALL)
            (PICTURES / f"{name}.svg").write_text(picture(name), encoding="utf-8")
        page.write_text(text, encoding="utf-8")
