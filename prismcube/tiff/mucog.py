"""Files of many dates (MUCOG, as Geocube's): built of drafts or COGs, extended and shortened by copying bytes.

    dates, each a draft or a COG ─┐
    the dates a file has ─────────┴─> assemble: a new file, renamed over the old one

See docs/reference/mucog.md for how a file is laid out.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict, Unpack

from prismcube.errors import InvalidInput
from prismcube.model.layout import MUCOG, InterlacingPattern
from prismcube.tiff.assemble import assemble
from prismcube.tiff.pages import Page, open_pages

DEFAULT = InterlacingPattern.parse(MUCOG)


@dataclass(frozen=True, kw_only=True)
class Date:
    """A date of a file; `GTIFF_DIR:<number>` is its place in the list, from 1 on."""

    name: str
    """TIFF's DocumentName; empty when it has none."""
    time: datetime | None
    """TIFF's DateTime, which is in UTC in our files; None when it has none or says something else."""


def dates_of(path: Path) -> tuple[Date, ...]:
    """The dates of a file, in their order. Raises SourceError."""
    with open_pages(path) as pages:
        return tuple(Date(name=page.text(269), time=_instant(page.text(306))) for page in pages)


class How(TypedDict, total=False):
    """How a file is written; see `assemble` for `big` and `sync`."""

    pattern: InterlacingPattern
    """Order of its blocks; `DEFAULT` unless given."""
    big: bool
    sync: bool


def write_mucog(path: Path, dates: Sequence[Path], **how: Unpack[How]) -> None:
    """Write a file of all images of the files `dates`, in this order; of one image, a COG.

    Raises what `assemble` and `open_pages` do.
    """
    with ExitStack() as stack:
        _write(path, [page for one in dates for page in stack.enter_context(open_pages(one))], how)


def append_dates(path: Path, dates: Sequence[Path], **how: Unpack[How]) -> None:
    """Write the file anew, with more dates at its end; whoever reads it meanwhile has the old one or the new one.

    Two who change a file at the same time must take turns. Raises as `write_mucog` does; then the file is as it was.
    """
    write_mucog(path, [path, *dates], **how)


def drop_dates(path: Path, numbers: Collection[int], **how: Unpack[How]) -> None:
    """Write the file anew without the dates of these numbers, 1 and more, as in `GTIFF_DIR`.

    Raises InvalidInput for numbers it doesn't have and when no date would be left; else as `append_dates`.
    """
    with open_pages(path) as pages:
        if unknown := set(numbers) - set(range(1, len(pages) + 1)):
            raise InvalidInput("numbers", f"{min(unknown)} is none of the dates 1 to {len(pages)}")
        _write(path, [page for number, page in enumerate(pages, start=1) if number not in numbers], how)


def _write(path: Path, pages: Sequence[Page], how: How) -> None:
    pattern = how.get("pattern", DEFAULT)
    assemble(path, pages, pattern=pattern, big=how.get("big", False), sync=how.get("sync", True))


def _instant(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
