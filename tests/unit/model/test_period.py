"""Instants and periods as requests write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prismcube.errors import InvalidInput
from prismcube.model.period import Period, format_instant, parse_instant

INSTANTS = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC))


@given(instant=INSTANTS)
def test_text_of_an_instant_reads_back(instant: datetime) -> None:
    assert parse_instant(format_instant(instant)) == instant
    assert Period.parse(format_instant(instant)) == Period(instant, instant)


@given(one=INSTANTS, other=INSTANTS)
def test_interval_reads_back_or_is_refused(one: datetime, other: datetime) -> None:
    text = f"{format_instant(one)}/{format_instant(other)}"
    if one <= other:
        assert Period.parse(text) == Period(one, other)
    else:
        with pytest.raises(InvalidInput, match="after its end"):
            Period.parse(text)


@given(text=st.text(max_size=40) | st.text(alphabet="0123456789-:/.TZ+ ", max_size=40))
def test_any_text_is_a_period_or_invalid_input(text: str) -> None:
    try:
        period = Period.parse(text)
    except InvalidInput as error:
        assert error.parameter == "datetime"
    else:
        assert period.start is None or period.end is None or period.start <= period.end


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2016", datetime(2016, 1, 1, tzinfo=UTC), datetime(2017, 1, 1, tzinfo=UTC)),
        ("2016-12", datetime(2016, 12, 1, tzinfo=UTC), datetime(2017, 1, 1, tzinfo=UTC)),
        ("2016-02-29", datetime(2016, 2, 29, tzinfo=UTC), datetime(2016, 3, 1, tzinfo=UTC)),
        ("2016/2017-01", datetime(2016, 1, 1, tzinfo=UTC), datetime(2017, 2, 1, tzinfo=UTC)),
    ],
)
def test_shorter_forms_stand_for_the_whole(text: str, start: datetime, end: datetime) -> None:
    assert Period.parse(text) == Period(start, end - timedelta(microseconds=1))


@pytest.mark.parametrize("text", ["../..", "/", "../", "/.."])
def test_open_on_both_sides(text: str) -> None:
    assert Period.parse(text) == Period()


@given(a=INSTANTS, b=INSTANTS, c=INSTANTS, d=INSTANTS, at=INSTANTS)
def test_intersection_has_the_instants_of_both(
    a: datetime, b: datetime, c: datetime, d: datetime, at: datetime
) -> None:
    one, other = Period(min(a, b), max(a, b)), Period(min(c, d), None)
    both = one.intersection(other)

    def has(period: Period) -> bool:
        return (period.start is None or period.start <= at) and (period.end is None or at <= period.end)

    assert (both is not None and has(both)) == (has(one) and has(other))
