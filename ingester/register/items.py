"""STAC items, of any version, as values: what registering needs of them and nothing else."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pystac
import shapely
from shapely.errors import GEOSException, ShapelyError
from shapely.geometry.base import BaseGeometry

from ingester.register.sources import MALFORMED, Found, links, told
from prismcube.errors import InvalidInput, SourceError
from prismcube.model.globe import on_globe
from prismcube.model.period import format_instant
from prismcube.storage.uri import resolve, split_gdal_name, without_secret

_PICTURES = ("thumbnail", "overview", "visual-preview", "preview", "tiles")
_RASTERS = ("image/tiff", "image/vnd.stac.geotiff", "image/jp2", "application/netcdf", "application/x-netcdf",
            "application/x-hdf", "application/x-hdf5", "application/wmo-grib2", "application/octet-stream",
            "application/zip")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Asset:
    """A file that an item names."""

    key: str
    href: str
    """As written; what is secret in it is still there."""
    uri: str
    """Canonical; empty when it can't be told, see `problem`."""
    subdir: str = ""
    """The subdataset or archive member that the href names."""
    problem: str = ""
    media_type: str = ""
    """In lower case, without parameters."""
    roles: tuple[str, ...] = ()
    fields: Mapping[str, Any]
    """All that the item says about the asset, with what it says about itself where the asset says nothing."""

    @property
    def not_data(self) -> str:
        """Why it is hardly a raster of measurements, by its roles and media type; empty when it may be one."""
        pictures = [role for role in self.roles if role in _PICTURES]
        if pictures:
            return f"is a picture (role {pictures[0]})"
        if self.media_type and self.media_type not in _RASTERS:
            return f"is {self.media_type}"
        if self.roles == ("metadata",) and not self.media_type:
            return "is metadata"
        return ""


@dataclass(frozen=True, kw_only=True)
class Item:
    """An item."""

    id: str
    collection: str
    """Id of its STAC collection; empty when it has none."""
    time: datetime
    """Its `datetime`; its `start_datetime` when that is null."""
    values: Mapping[str, str]
    """For templates: id, datetime, start, end, collection, properties.<name>."""
    geometry: BaseGeometry | None
    """Longitude, latitude, on the globe; None when it has none that can be read."""
    assets: tuple[Asset, ...]


def read_item(found: Found) -> Item:
    """The item of a document. Raises SourceError, naming the item, for one that is not as STAC wants it."""
    name = without_secret(found.base)
    if found.embedded:
        id = found.item.get("id")
        name += f" item {id[:100]!r}" if isinstance(id, str) else " item without an id"
    try:
        return _read(found, name)
    except InvalidInput as error:
        raise SourceError(name, f"is no STAC item: {error}") from error
    except MALFORMED as error:
        raise SourceError(name, f"is no STAC item ({told(error)})") from error


def _read(found: Found, name: str) -> Item:
    item = _as_pystac(found.item, name)
    start = item.common_metadata.start_datetime
    end = item.common_metadata.end_datetime
    time = item.datetime or start
    if time is None:
        raise SourceError(name, "has neither datetime nor start_datetime")
    values = {
        "id": item.id,
        "collection": item.collection_id or "",
        "datetime": format_instant(time),
        **({"start": format_instant(start)} if start else {}),
        **({"end": format_instant(end)} if end else {}),
        **{f"properties.{key}": _text(value) for key, value in item.properties.items() if _is_scalar(value)},
    }
    base = _base(found)
    return Item(
        id=item.id,
        collection=item.collection_id or "",
        time=time,
        values=values,
        geometry=_geometry(item.geometry),
        assets=tuple(_assets(item, base)),
    )


def _as_pystac(document: dict[str, Any], name: str) -> pystac.Item:
    """The item brought to this version of STAC; pystac trusts what it is given."""
    problem = _problem(document)
    if problem:
        raise SourceError(name, f"is no STAC item: {problem}")
    complete = {key: _with_href(one) for key, one in document["assets"].items() if isinstance(one, dict)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about old versions
        item = pystac.Item.from_dict({**document, "assets": complete}, migrate=True)
    collection: Any = item.collection_id  # old versions had it elsewhere
    if not isinstance(collection, str | None):
        raise SourceError(name, "is no STAC item: its collection must be the id of one")
    return item


def _problem(document: dict[str, Any]) -> str:
    """What an item lacks or says in another type than STAC's; empty when it may be read."""
    if not isinstance(document.get("id"), str) or not document["id"] or not isinstance(document.get("assets"), dict):
        return "it needs an id and assets"
    if not isinstance(document.get("stac_version"), str):
        return "it needs a stac_version"
    if not isinstance(document.get("collection"), str | None):
        return "its collection must be the id of one"
    properties = document.get("properties")
    if not isinstance(properties, dict):
        return "it needs properties"
    for key in ("datetime", "start_datetime", "end_datetime"):
        if not isinstance(properties.get(key), str | None):
            return f"its {key} must be text"
    return ""


def _with_href(asset: dict[str, Any]) -> dict[str, Any]:
    """The asset with a place: some have none of their own, but alternates."""
    if isinstance(asset.get("href"), str):
        return asset
    alternates = asset.get("alternate")
    for one in alternates.values() if isinstance(alternates, dict) else ():
        if isinstance(one, dict) and isinstance(one.get("href"), str):
            return {**asset, "href": one["href"]}
    return {**asset, "href": ""}


def _assets(item: pystac.Item, base: str) -> Iterator[Asset]:
    inherited = {key: value for key, value in item.properties.items() if key.startswith(("proj:", "raster:", "bands"))}
    for key, asset in item.assets.items():
        uri, subdir, problem = "", "", ""
        try:
            if not asset.href:
                raise InvalidInput("href", "has no href")
            location, subdir = split_gdal_name(asset.href)
            uri = resolve(location, base)
        except InvalidInput as error:
            problem = error.reason
        except ValueError as error:  # of urllib and pathlib
            problem = told(error)
        roles: list[Any] = asset.roles if isinstance(asset.roles, list) else []
        yield Asset(
            key=key,
            href=asset.href,
            uri=uri,
            subdir=subdir,
            problem=problem,
            media_type=(asset.media_type if isinstance(asset.media_type, str) else "")
            .partition(";")[0]
            .strip()
            .lower(),
            roles=tuple(role for role in roles if isinstance(role, str)),
            fields={**inherited, **asset.extra_fields, "title": asset.title, "description": asset.description},
        )


def _base(found: Found) -> str:
    """Where relative links of an item start: at its own place if a list of items tells it, else at the document's."""
    if found.embedded:
        for link in links(found.item, "self"):
            try:
                return resolve(link["href"], found.base)
            except (InvalidInput, ValueError):
                break  # a document from elsewhere may not point into this machine
    return found.base


def _geometry(document: Any) -> BaseGeometry | None:
    if not isinstance(document, dict):
        return None
    try:
        shape = on_globe(shapely.from_geojson(shapely.to_geojson(shapely.geometry.shape(document))))
    except (GEOSException, ShapelyError, InvalidInput, ValueError, TypeError, KeyError, AttributeError, IndexError,
            OverflowError, RecursionError):  # fmt: skip
        return None  # the file's footprint counts, this would only have been compared
    return None if shape.is_empty else shape


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
