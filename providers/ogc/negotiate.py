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
        for name, media_type in formats.items():
            if _bare(wanted) == _bare(media_type):
                return name
        raise InvalidInput("f", f"{f[:60]!r} is not one of {', '.join(formats)}")
    for wanted in by_preference(accept):
        for name, media_type in formats.items():
            if wanted == _bare(media_type):
                return name
    return next(iter(formats))


def _bare(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()


def by_preference(accept: str) -> list[str]:
    """Media types of an Accept header, the most wanted first (RFC 9110, 12.5.1)."""
    ranked = []
    for position, part in enumerate(accept.split(",")[:50]):
        media_type, *parameters = part.split(";")
        quality = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "q":
                try:
                    quality = float(value)
                except ValueError:
                    quality = 0.0
        if quality > 0:
            ranked.append((-quality, position, media_type.strip().lower()))
    return [media_type for _, _, media_type in sorted(ranked)]
