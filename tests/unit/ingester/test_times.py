"""Times of bands by the CF conventions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingester.times import as_time
from prismcube.errors import InvalidInput
from prismcube.model.period import parse_instant


@pytest.mark.parametrize(
    ("value", "units", "time"),
    [
        ("0", "days since 1970-01-01", "1970-01-01T00:00:00Z"),
        ("1.5", "days since 1970-01-01 00:00:00", "1970-01-02T12:00:00Z"),
        ("1", "Hours since 2000-1-1 06:30:15.5 UTC", "2000-01-01T07:30:15.500000Z"),
        ("90", "minutes since 2000-01-01T00:00:00Z", "2000-01-01T01:30:00Z"),
        ("1577836800", "seconds since 1970-01-01 0:0:0", "2020-01-01T00:00:00Z"),
    ],
)
def test_read_as_meant(value: str, units: str, time: str) -> None:
    assert as_time(value, {"time#units": units, "time#calendar": "standard"}, "time") == time


@pytest.mark.parametrize(
    ("value", "units", "calendar"),
    [
        (None, "days since 1970-01-01", ""),
        ("1", "", ""),
        ("1", "months since 1970-01-01", ""),
        ("1", "days since 1970-13-01", ""),
        ("x", "days since 1970-01-01", ""),
        ("nan", "days since 1970-01-01", ""),
        ("1e300", "days since 1970-01-01", ""),
        ("1", "days since 1970-01-01", "noleap"),
    ],
)
def test_refused(value: str | None, units: str, calendar: str) -> None:
    with pytest.raises(InvalidInput):
        as_time(value, {"time#units": units, "time#calendar": calendar}, "time")


@given(st.text(), st.text(alphabet="days since0123456789-:T.Z"))
def test_anything_is_a_time_or_refused(value: str, units: str) -> None:
    try:
        time = as_time(value, {"time#units": units}, "time")
    except InvalidInput:
        return
    parse_instant(time)
