"""Groups: every record in one time step, in mosaic order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prismcube.errors import InvalidInput
from prismcube.model.entities import Record
from prismcube.model.grouping import CALENDAR, group_records

T0 = datetime(2020, 1, 1, tzinfo=UTC)
RECORDS = st.lists(st.integers(0, 24 * 800), max_size=20).map(
    lambda hours: [Record(name=f"r{i}", time=T0 + timedelta(hours=h), id=i) for i, h in enumerate(hours, start=1)]
)


@given(records=RECORDS, how=st.sampled_from(["record", *CALENDAR]))
def test_each_record_is_in_one_step_and_steps_come_by_time(records: list[Record], how: str) -> None:
    groups = group_records(records, how)
    members = [record for group in groups for record in group.records]
    assert members == sorted(records, key=lambda r: (r.time, r.id))
    for group in groups:
        assert (group.start, group.end) == (group.records[0].time, group.records[-1].time)


@given(records=RECORDS)
def test_steps_of_a_day_share_the_day_and_no_two_have_it(records: list[Record]) -> None:
    days = [{record.time.date() for record in group.records} for group in group_records(records, "day")]
    assert all(len(day) == 1 for day in days)
    assert len({min(day) for day in days}) == len(days)


def test_the_callers_own_groups_keep_their_order() -> None:
    records = [Record(name=name, time=T0, id=i) for i, name in enumerate("abc", start=1)]
    groups = group_records(records, "c,a; id:2")
    assert [[r.name for r in group.records] for group in groups] == [["c", "a"], ["b"]]


@pytest.mark.parametrize(
    ("how", "reason"),
    [("a,a", "listed twice"), ("a;z", "'z' is neither"), ("", "neither"), ("twin", "id:3"), ("id:9", "neither")],
)
def test_groups_that_make_no_sense(how: str, reason: str) -> None:
    records = [Record(name=name, time=T0, id=i) for i, name in enumerate(["a", "b", "twin", "twin"], start=1)]
    with pytest.raises(InvalidInput, match=reason):
        group_records(records, how)
