"""The table of the states of tasks: every state, every move, and its picture."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from prismcube.model.task_states import (
    TASK_EVENTS,
    TASK_STATES,
    TaskEvent,
    TaskState,
    after,
    beginning,
    happens_in,
    leads_to,
    table_of_task_states,
    walk,
)
from providers.ogc.processes.drawing import TASK_COLOURS
from providers.ogc.processes.task_drawing import PLACES, draw_task_states

BEGINNINGS = {beginning(0), beginning(3)}


def test_every_state_and_event_has_a_meaning_of_its_own():
    assert TASK_STATES.keys() == {*TaskState}
    assert TASK_EVENTS.keys() == {*TaskEvent}
    for meanings, named in (({state.meaning for state in TaskState}, TaskState), ({*TASK_EVENTS.values()}, TaskEvent)):
        assert len(meanings) == len(named)
        assert all(meaning.endswith(".") for meaning in meanings)


def test_every_state_can_be_reached():
    assert {TaskState.READY, TaskState.WAITING} == BEGINNINGS
    found = {*BEGINNINGS}
    while more := {target for state, _, target in walk() if state in found} - found:
        found |= more
    assert found == {*TaskState}


def test_only_what_is_done_is_an_end():
    """From all others a task can still come to be done, some of them by a person alone."""
    assert [state for state, row in TASK_STATES.items() if not row.moves] == [TaskState.DONE]
    found = {TaskState.DONE}
    while more := {state for state, _, target in walk() if target in found} - found:
        found |= more
    assert found == {*TaskState}


def test_what_has_ended_badly_goes_on_by_a_person_alone():
    for state in TaskState:
        by_person = TASK_STATES[state].moves.keys() <= {TaskEvent.RETRIED, TaskEvent.RETRIED_IN_TURN}
        assert by_person == (state.is_bad or state is TaskState.DONE)


@pytest.mark.parametrize("event", TaskEvent)
def test_each_event_leads_from_where_it_happens_to_one_state(event):
    states = happens_in(event)
    assert states
    assert {after(state, event) for state in states} == {leads_to(event)}
    assert leads_to(event) not in states
    for state in {*TaskState}.difference(states):
        with pytest.raises(ValueError, match=f"a task that is {state} can't be {event}"):
            after(state, event)


def test_the_tables_of_the_docs_name_all():
    table = table_of_task_states()
    for state, row in TASK_STATES.items():
        assert f"| `{state}` | {row.meaning} |" in table
    for event, meaning in TASK_EVENTS.items():
        assert f"| {event} | {meaning} |" in table
    for _, event, target in walk():
        assert f"{event}: `{target}`" in table


def test_the_picture_shows_every_state_and_move():
    assert PLACES.keys() == TASK_COLOURS.keys() == {*TaskState}
    svg = "{http://www.w3.org/2000/svg}"
    picture = ET.fromstring(draw_task_states(title="The states"))  # noqa: S314  # our own
    boxes = {group.findtext(f"{svg}text"): group.findtext(f"{svg}title") for group in picture.iter(f"{svg}g")}
    assert boxes == {state.value: state.meaning for state in TaskState}
    labels = [one.text for one in picture.findall(f"{svg}text")]
    pairs = {(state, target) for state, _, target in walk()}
    assert len(labels) == len(pairs)
    assert sorted(", ".join(labels).split(", ")) == sorted(event.value for _, event, _ in walk())
    ends = [one.get("d") for one in picture.findall(f"{svg}path")]
    assert len({*ends}) == len(pairs)
