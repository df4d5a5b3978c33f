"""Where the files of a job go: a template of URIs below the folder whose files are ours. Pure.

    consolidated/{layout}/{job}/{variable}/{instance}/{cell}/{number}.tif

All that a job writes lies below folders of its own, so that it can be found and removed whatever became of the job;
but not below `results`, where a job's folder goes with the job.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from prismcube.errors import InvalidInput
from prismcube.jobs.results import NAME as RESULTS

DEFAULT = "consolidated/{layout}/{job}/{variable}/{instance}/{cell}/{number}.tif"

FIELDS: Mapping[str, str] = {
    "layout": "name of the layout",
    "job": "id of the job",
    "variable": "name of the variable",
    "instance": "name of the instance",
    "cell": "id of the cell, which may have slashes",
    "number": "of the file among those of its cell, from 0 on",
    "first": "date of its first record, as 20200131",
    "last": "date of its last record",
}
"""What stands in braces."""

BEFORE_JOB = frozenset({"layout", "variable", "instance"})
"""Of those what may stand before the folder of a job."""

_NEEDED = ("job", "variable", "instance", "cell", "number")
_FIELD = re.compile(r"\{([^{}]*)\}")
_PLAIN = re.compile(r"[A-Za-z0-9._/=+-]*", re.ASCII)


@dataclass(frozen=True)
class Template:
    """A template that was checked."""

    text: str
    """Relative to the folder."""

    @classmethod
    def parse(cls, text: str, *, folder: str) -> Template:
        """From what a caller gives: a path relative to `folder`, a URI, or a URI below it.

        Raises InvalidInput("uri", ...).
        """
        text = text.removeprefix(f"{folder.rstrip('/')}/")
        if "://" in text or text.startswith("/"):
            raise InvalidInput("uri", f"must lie below {folder}, whose files are ours; write the path below it")
        names = _FIELD.findall(text)
        for name in names:
            if name not in FIELDS:
                raise InvalidInput("uri", f"{{{name[:40]}}} is not one of {', '.join(f'{{{one}}}' for one in FIELDS)}")
        missing = [name for name in _NEEDED if name not in names]
        if missing:
            raise InvalidInput("uri", f"lacks {{{missing[0]}}}: two files would have the same name")
        rest = _FIELD.sub("", text)
        if not _PLAIN.fullmatch(rest) or not text.endswith(".tif") or len(text) > 500:
            raise InvalidInput("uri", "must be letters, digits, . _ = + - / and fields in braces, and end in .tif")
        segments = text.split("/")
        if any(segment in ("", ".", "..") for segment in segments):
            raise InvalidInput("uri", "has a folder without a name, or one of dots")
        if "{job}" not in segments:
            raise InvalidInput("uri", "must have a folder that is {job} alone, so that a job's files can be found")
        for segment in segments:
            together = [name for name in _FIELD.findall(segment) if name in _NEEDED]
            if len(together) > 1:  # 1 and 12 side by side are 11 and 2
                told = " and ".join(f"{{{name}}}" for name in together)
                raise InvalidInput("uri", f"has {told} between two slashes: two files might have the same name")
        _check_apart(text)
        before = segments[: segments.index("{job}")]
        if any(name not in BEFORE_JOB for segment in before for name in _FIELD.findall(segment)):
            raise InvalidInput("uri", f"may have only {', '.join(sorted(BEFORE_JOB))} before {{job}}")
        return cls(text)

    def fill(self, folder: str, values: Mapping[str, str]) -> str:
        """The URI of a file."""
        return f"{folder.rstrip('/')}/{_filled(self.text, values)}"

    def folders(self, folder: str, *, job: str, layout: str, instances: Iterable[tuple[str, str]]) -> tuple[str, ...]:
        """The folders below which all files of a job lie; `instances`: (variable, instance) names.

        Raises InvalidInput("uri", ...) for names that lead to where results lie.
        """
        segments = self.text.split("/")
        head = "/".join(segments[: segments.index("{job}") + 1])
        found = [
            _filled(head, {"layout": layout, "job": job, "variable": variable, "instance": instance})
            for variable, instance in instances
        ]
        for one in found:
            _check_apart(one)
        return tuple(dict.fromkeys(f"{folder.rstrip('/')}/{one}" for one in found))


def _check_apart(path: str) -> None:
    """Some file systems take capitals for small letters."""
    if path.partition("/")[0].casefold() == RESULTS:
        raise InvalidInput("uri", f"may not begin with {RESULTS}/, where results of jobs lie, which go with their jobs")


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _FIELD.sub(lambda field: _safe(values[field[1]], slashes=field[1] == "cell"), text)


def _safe(value: str, *, slashes: bool) -> str:
    """A value as a part of a path: of cells each part between slashes."""
    parts = value.split("/") if slashes else [value]
    return "/".join(_segment(part) for part in parts)


def _segment(text: str) -> str:
    """No dots alone, nothing that a URI would have to escape; of two texts never the same."""
    plain = quote(text, safe="-_.").replace("~", "%7E").replace("%", "~")
    return plain if plain.strip(".") else f"~{plain}"
