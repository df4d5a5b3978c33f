"""Instants and periods. All instants are aware and in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from prismcube.errors import InvalidInput


def utc(instant: datetime) -> datetime:
    """The instant in UTC; a naive one is taken to be UTC already. Raises InvalidInput when UTC has no such year."""
    try:
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except OverflowError as error:
        raise InvalidInput("datetime", f"{instant.isoformat()} is not within the years 1 to 9999 in UTC") from error


def format_instant(instant: datetime) -> str:
    """RFC 3339 in UTC, `2015-08-01T00:00:00Z`; fractions only when there are any."""
    return utc(instant).isoformat().replace("+00:00", "Z")


def parse_instant(text: str, *, end: bool = False) -> datetime:
    """An instant from RFC 3339 or its shorter forms `2015`, `2015-08`, `2015-08-01`.

    A shorter form stands for its first moment, or with `end` for its last microsecond.
    Raises InvalidInput for anything else.
    """
    try:
        if len(text) == 4 and text.isascii() and text.isdigit():
            first, days = datetime(int(text), 1, 1, tzinfo=UTC), 366
        elif len(text) == 7:
            first, days = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC), 31
        elif len(text) == 10:
            first, days = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC), 1
        elif "T" in text.upper():
            return utc(datetime.fromisoformat(text.upper()))
        else:
            raise ValueError(text)
    except (ValueError, OverflowError) as error:
        raise InvalidInput("datetime", f"{text[:60]!r} is not a date or time (RFC 3339)") from error
    return _last_moment(first, days=days) if end else first


def _last_moment(first: datetime, *, days: int) -> datetime:
    """The last microsecond of the day, month or year that begins at `first` and has at most so many days."""
    try:
        after = first + timedelta(days=days)
    except OverflowError:  # the last of all days, months or years
        return datetime.max.replace(tzinfo=UTC)
    if days > 1:  # within the following month or year by now: back to its begin
        after = after.replace(day=1) if days == 31 else after.replace(month=1, day=1)
    return after - timedelta(microseconds=1)


@dataclass(frozen=True)
class Period:
    """A span of time, both limits inclusive; None leaves a side open."""

    start: datetime | None = None
    end: datetime | None = None

    def __post_init__(self) -> None:
        if self.start and self.end and self.start > self.end:
            raise InvalidInput(
                "datetime", f"begins ({format_instant(self.start)}) after its end ({format_instant(self.end)})"
            )

    @classmethod
    def parse(cls, text: str) -> Period:
        """From the `datetime` parameter (OGC 17-069r4, 7.15.3): an instant, or `start/end`; `..` or nothing is open.

        A date without a time means the whole day.
        """
        if text.count("/") > 1:
            raise InvalidInput("datetime", f"{text[:60]!r} has more than one '/'")
        start, slash, end = text.partition("/")
        if not slash:
            return cls(parse_instant(start), parse_instant(start, end=True))
        if start in ("", "..") and end in ("", ".."):
            return cls()
        return cls(
            None if start in ("", "..") else parse_instant(start),
            None if end in ("", "..") else parse_instant(end, end=True),
        )

    def intersection(self, other: Period) -> Period | None:
        """The common span; None when there is none."""
        start = max((t for t in (self.start, other.start) if t), default=None)
        end = min((t for t in (self.end, other.end) if t), default=None)
        return None if start and end and start > end else Period(start, end)
