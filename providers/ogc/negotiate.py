"""Which format a client gets: the `f` parameter, else the Accept header, else the first."""

from __future__ import annotations

from collections.abc import Mapping

from prismcube.errors import InvalidInput


def choose_format(f: str | None, accept: str, formats: Mapping[str, str]) -> str:
    """The short name of a format; `formats` maps short names to media types, the default first.

    `f` may be a short name or a media type. An Accept header that names nothing we have means the default, as
    browsers and libraries send what they like. Raises InvalidInput("f", ...).
    """
    if f is not None:
        wanted = f.strip().lower()
        if wanted in formats:
            return wanted
        for same in (_whole, _bare):
            for name, media_type in formats.items():
                if same(wanted) == same(media_type):
                    return name
        raise InvalidInput("f", f"{f[:60]!r} is not one of {', '.join(formats)}")
    for wanted in by_preference(accept):
        for same in (_whole, _bare):  # a profile chooses among several of one type
            for name, media_type in formats.items():
                if same(wanted) == same(media_type):
                    return name
    return next(iter(formats))


def _whole(media_type: str) -> str:
    """With its parameters, however they are spaced and ordered."""
    first, *parameters = (part.strip().lower().replace('"', "") for part in media_type.split(";"))
    return ";".join([first, *sorted(parameters)])


def _bare(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


def by_preference(accept: str) -> list[str]:
    """Media types of an Accept header, without their weights, the most wanted first (RFC 9110, 12.5.1)."""
    ranked = []
    for position, part in enumerate(accept.split(",")[:50]):
        kept = []
        quality = 1.0
        for parameter in part.split(";"):
            name, _, value = parameter.partition("=")
            if name.strip().lower() != "q":
                kept.append(parameter.strip().lower())
                continue
            try:
                quality = float(value)
            except ValueError:
                quality = 0.0
        if quality > 0:
            ranked.append((-quality, position, ";".join(kept)))
    return [media_type for _, _, media_type in sorted(ranked)]
