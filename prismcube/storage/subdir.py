"""What lies inside a file: subdatasets, pages of a TIFF, members of an archive. Pure.

    subdir     the file itself: ""
               GTIFF_DIR:2            page of a TIFF, counted from 1
               NITF_IM:1              image of a NITF file, counted from 0
               NETCDF:sst             variable of a netCDF file, `NETCDF:/group/sst` in a group
               HDF5:group/sst         array of an HDF5 file
               zip/a/b.tif            member of a zip file; tar/a/b.tif of a tar file, packed or not
               zip/a/b.nc|NETCDF:sst  one in the other

`gdal_name` makes GDAL's name of it, `split_name` goes back. A subdir comes from documents that strangers write, and
GDAL opens much else by name: so what is allowed is listed here, and all else refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from prismcube.errors import InvalidInput
from prismcube.model.entities import LONGEST_SUBDIR

_NUMBERED = ("GTIFF_DIR", "NITF_IM")
"""PREFIX:number:path"""
_NAMED = ("NETCDF", "HDF5")
"""PREFIX:"path":name"""
_NUMBER = re.compile(r"0|[1-9][0-9]{0,5}")
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\"\\<>{}|]")
_ARCHIVES = {"zip": re.compile(r"\.(zip|kmz)/", re.IGNORECASE), "tar": re.compile(r"\.(tar|tgz|tar\.gz)/", re.I)}


@dataclass(frozen=True)
class Subdir:
    """A subdir, taken apart; all parts are empty for the file itself."""

    archive: str = ""
    """`zip` or `tar`."""
    member: str = ""
    """Of the archive."""
    prefix: str = ""
    """`GTIFF_DIR`, `NETCDF`, ..."""
    name: str = ""
    """Behind the prefix."""

    def __str__(self) -> str:
        outer = f"{self.archive}/{self.member}" if self.archive else ""
        inner = f"{self.prefix}:{self.name}" if self.prefix else ""
        return "|".join(part for part in (outer, inner) if part)


def parse_subdir(text: str) -> Subdir:
    """Raises InvalidInput("subdir", ...) for what is not one of those above."""
    if len(text) > LONGEST_SUBDIR:
        raise InvalidInput("subdir", f"has {len(text):,} characters, at most {LONGEST_SUBDIR:,} are allowed")
    outer, bar, inner = text.partition("|")
    if not bar and not outer.startswith(("zip/", "tar/")):
        outer, inner = "", text
    archive, _, member = outer.partition("/")
    if archive not in _ARCHIVES and (outer or bar):
        raise _refused(text)
    if archive:
        _check_member(text, member)
    prefix, _, name = inner.partition(":")
    if inner or bar:
        name = _checked_name(text, prefix, name)
    return Subdir(archive, member, prefix, name)


def gdal_name(path: str, subdir: str) -> str:
    """GDAL's name of the inner part of a file that GDAL opens as `path`.

    Raises InvalidInput("subdir", ...) for one that is refused, or that can't be told for a path like this.
    """
    parts = parse_subdir(subdir)
    if parts.archive:
        if "{" in path or "}" in path:
            raise InvalidInput("subdir", "a member can't be named in an archive whose path has braces")
        path = f"/vsi{parts.archive}/{{{path}}}/{parts.member}"
    if not parts.prefix:
        return path
    if '"' in path:
        raise InvalidInput("subdir", "a subdataset can't be named in a file whose path has quotes")
    if parts.prefix in _NUMBERED:
        return f"{parts.prefix}:{parts.name}:{path}"
    return f'{parts.prefix}:"{path}":{"//" if parts.prefix == "HDF5" else ""}{parts.name}'


def split_name(text: str) -> tuple[str, str]:
    """Path and subdir of GDAL's name of a subdataset or member of an archive; any other text is a path.

    Raises InvalidInput("subdir", ...) when the inner part is refused.
    """
    prefix, name = "", ""
    path = text
    match = re.match(r"(\w+):", text)
    if match and match[1].upper() in (*_NUMBERED, *_NAMED):
        prefix, rest = match[1].upper(), text[match.end() :]
        name, path = _split_numbered(text, rest) if prefix in _NUMBERED else _split_named(text, rest)
    archive, path, member = _split_archive(text, path)
    if archive:
        _check_member(text, member)
    if prefix:
        name = _checked_name(text, prefix, name)
    return path, str(Subdir(archive, member, prefix, name))


def _split_numbered(text: str, rest: str) -> tuple[str, str]:
    number, colon, path = rest.partition(":")
    if not colon or not path:
        raise _refused(text)
    return number, path


def _split_named(text: str, rest: str) -> tuple[str, str]:
    """Name and path; the path may hold colons, the name none."""
    quoted = re.fullmatch(r'"([^"]+)":(.*)', rest, re.DOTALL)
    path, colon, name = (quoted[1], ":", quoted[2]) if quoted else rest.rpartition(":")
    if not colon or not path or not name:
        raise _refused(text)
    return name, path


def _split_archive(text: str, path: str) -> tuple[str, str, str]:
    """Archive kind, path of the archive, member; kind and member are empty for a path that is no archive's."""
    virtual = re.match(r"/vsi(zip|tar)/|(?:(zip|tar)(?:\+(\w+))?://)", path, re.IGNORECASE)
    if virtual is None:
        return "", path, ""
    rest = path[virtual.end() :]
    if virtual[2]:  # zip:///data/a.zip!/b.tif and zip+https://host/a.zip!b.tif, as rasterio and fiona write it
        outer, mark, member = rest.partition("!")
        if not mark:
            raise _refused(text)
        return virtual[2].lower(), f"{virtual[3]}://{outer}" if virtual[3] else outer, member.lstrip("/")
    kind = virtual[1].lower()
    if rest.startswith("{"):
        outer, brace, member = rest[1:].partition("}")
        if not brace:
            raise _refused(text)
        member = member.removeprefix("/")
    else:
        end = _ARCHIVES[kind].search(rest)
        if end is None:
            raise _refused(text)
        outer, member = rest[: end.end() - 1], rest[end.end() :]
    # /vsizip/vsis3/... and /vsizip//vsis3/... are the same to GDAL; /vsizip/a.zip is relative, /vsizip//a.zip is not.
    outer = "/" + outer if outer.startswith("vsi") else outer
    return kind, re.sub(r"^/+(?=/)", "", outer), member


def _check_member(text: str, member: str) -> None:
    if _FORBIDDEN.search(member) or any(part in ("", ".", "..") for part in member.split("/")) or "/vsi" in member:
        raise _refused(text)
    if member.startswith("vsi"):
        raise _refused(text)


def _checked_name(text: str, prefix: str, name: str) -> str:
    if prefix in _NUMBERED and _NUMBER.fullmatch(name) and not (prefix == "GTIFF_DIR" and name == "0"):
        return name
    if prefix in _NAMED:
        name = name.lstrip("/") if prefix == "HDF5" else name
        parts = name.removeprefix("/").split("/")
        harmless = not _FORBIDDEN.search(name) and ":" not in name and "/vsi" not in name and name.strip() == name
        if harmless and not any(part in ("", ".", "..") for part in parts):
            return name
    raise _refused(text)


def _refused(text: str) -> InvalidInput:
    forms = "GTIFF_DIR:2, NITF_IM:0, NETCDF:name, HDF5:path, zip/member, tar/member, zip/member|NETCDF:name"
    # A name of GDAL's may be of a signed URL: the query does not belong into messages.
    return InvalidInput("subdir", f"{text.partition('?')[0][:120]!r} is not supported; write {forms}")
