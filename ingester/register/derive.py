"""A mapping made from items: what `--collection` does when there is no mapping file.

    derive(items) ─ assets that are rasters, by key  -> a variable for each type of their bands
                  ─ the item's collection            -> title, description, licence

What the first readable file of each key says about type and nodata counts; names, units and descriptions come from the
items. The result is the document of a mapping file, to be shown, changed and used like one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from ingester.register.items import Asset, Item
from ingester.register.sources import MALFORMED, told
from prismcube.errors import PrismcubeError, SourceError
from prismcube.model.formats import DTYPES, DataFormat
from prismcube.raster.inspect import RasterInfo, inspect

SAMPLE = 20
"""Items that are enough to look at."""

TRIES = 3
"""Files of one asset key that are opened before it is given up."""

_COLOURS = ("red", "green", "blue")


@dataclass
class _Sample:
    """A header of the files of one key."""

    asset: Asset
    info: RasterInfo | None = None
    tries: int = 0
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Derived:
    """A mapping document, and why assets are not in it."""

    document: dict[str, Any]
    left_out: Mapping[str, str]
    """Reason by asset key."""

    @property
    def yaml(self) -> str:
        """The mapping file; what was left out is a comment."""
        text = yaml.safe_dump(self.document, sort_keys=False, allow_unicode=True, width=118)
        comments = [f"# {key}: {' '.join(reason.split())}" for key, reason in self.left_out.items()]
        return "\n".join([*(["# Left out:"] if comments else []), *comments, text])


def derive(items: Iterable[Item], name: str, *, collection: Mapping[str, Any], assets: tuple[str, ...] = ()) -> Derived:
    """A mapping for items; `collection` is their STAC collection, `assets` the keys wanted (none: all rasters).

    Raises SourceError when no asset of the first items can be read.
    """
    samples: dict[str, _Sample] = {}
    left_out: dict[str, str] = {}
    for item in items:
        for asset in item.assets:
            if assets and asset.key not in assets:
                continue
            if asset.not_data:
                left_out.setdefault(asset.key, asset.not_data)
            else:
                _look(samples.setdefault(asset.key, _Sample(asset)), asset)
    builder = _Builder(name)
    for key, sample in samples.items():
        left_out.pop(key, None)
        if sample.info is None:
            left_out[key] = sample.problem
            continue
        try:
            builder.add(sample.asset, sample.info)
        except MALFORMED as error:
            left_out[key] = f"what its item says can't be used ({told(error)})"
    if not builder.assets:
        tried = {key: sample.problem for key, sample in samples.items() if sample.problem}
        reasons = "; ".join(f"{key}: {reason}" for key, reason in list((tried or left_out).items())[:3])
        raise SourceError(name, f"no asset of the items can be used ({reasons or 'there are none'})")
    return Derived(document=builder.document(collection), left_out=left_out)


def _look(sample: _Sample, asset: Asset) -> None:
    if sample.info is not None or sample.tries >= TRIES:
        return
    sample.tries += 1
    if asset.problem:
        sample.problem = asset.problem
        return
    try:
        sample.asset, sample.info = asset, inspect(asset.uri, asset.subdir)
    except PrismcubeError as error:
        sample.problem = error.reason if isinstance(error, SourceError) else str(error)


@dataclass
class _Builder:
    name: str
    variables: dict[str, Any] = field(default_factory=dict)
    assets: list[dict[str, Any]] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)
    colours: dict[str, tuple[str, str]] = field(default_factory=dict)
    """(field, dtype) of each common name."""

    def add(self, asset: Asset, info: RasterInfo) -> None:
        """Add a variable for each type among the bands of an asset."""
        described = _described(asset, info.count)
        kinds: dict[tuple[str, str], list[int]] = {}
        for number in range(info.count):
            nodata = info.nodata[number] if info.nodata[number] is not None else described[number].get("nodata")
            kinds.setdefault((info.dtypes[number], repr(_nodata(nodata, info.dtypes[number]))), []).append(number)
        datasets = []
        for (dtype, _), numbers in kinds.items():
            if dtype not in DTYPES:
                continue
            suffix = f"-{dtype}" if len(kinds) > 1 else ""
            variable = _unique(_name(f"{self.name}-{asset.key}{suffix}"), self.variables)
            said = described[numbers[0]].get("nodata")
            own = info.nodata[numbers[0]]
            nodata = _nodata(said if own is None else own, dtype)
            bands = _band_names(asset.key, [described[number] for number in numbers])
            self.variables[variable] = self._variable(asset, described[numbers[0]], bands, dtype, nodata)
            dataset: dict[str, Any] = {"instance": f"{variable}/stac", "bands": [number + 1 for number in numbers]}
            if own is None and nodata is not None:  # the file does not say, the item does
                dataset["nodata"] = nodata
            datasets.append(dataset)
            for number, band in zip(numbers, bands, strict=True):
                self._field(asset, described[number], variable, band, dtype, alone=info.count == 1)
        if datasets:
            self.assets.append({"key": re.escape(asset.key), "datasets": datasets})

    def _variable(
        self, asset: Asset, band: Mapping[str, Any], bands: list[str], dtype: str, nodata: float | None
    ) -> dict[str, Any]:
        told = {
            "unit": band.get("unit") or "",
            "description": str(asset.fields.get("description") or asset.fields.get("title") or "")[:1000],
        }
        smooth = bool(_plain(band).get("common_name"))  # a colour; classes are often called data or reflectance too
        variable = {"bands": bands, "dtype": dtype, **({"nodata": nodata} if nodata is not None else {})}
        variable |= {key: value for key, value in told.items() if isinstance(value, str) and value}
        return variable | {"resampling": "bilinear" if smooth else "nearest"}

    def _field(
        self, asset: Asset, band: Mapping[str, Any], variable: str, name: str, dtype: str, *, alone: bool
    ) -> None:
        wanted = _identifier(asset.key if alone else name)
        if wanted in self.fields and not alone:
            wanted = _identifier(f"{asset.key}_{name}")
        key = _unique(wanted, self.fields, separator="_")
        description = band.get("description")
        self.fields[key] = {"instance": f"{variable}/stac", "band": name} | (
            {"description": description} if isinstance(description, str) and description else {}
        )
        common = _plain(band).get("common_name", key.lower())
        if common in _COLOURS:
            self.colours.setdefault(common, (key, dtype))

    def document(self, collection: Mapping[str, Any]) -> dict[str, Any]:
        texts = {key: collection[key] for key in ("title", "description", "license") if _is_text(collection.get(key))}
        tags = {"stac": self.name, "collection": "{collection}", "platform": "{properties.platform}"}
        block: dict[str, Any] = {"title": self.name, **texts, **_credit(collection)}
        keywords = collection.get("keywords")
        if isinstance(keywords, list):
            block["keywords"] = [word for word in keywords if _is_text(word)]
        block |= {"record_tags": {"stac": self.name}, "fields": self.fields}
        if all(self.colours.get(colour, ("", ""))[1] == "uint8" for colour in _COLOURS):
            names = [self.colours[colour][0] for colour in _COLOURS]
            block["style"] = {"fields": names, "ranges": [[0, 255]] * 3}
        return {
            "variables": self.variables,
            "items": [{"record": "{id}", "time": "{datetime}", "tags": tags, "assets": self.assets}],
            "collections": {self.name: block},
        }


def _described(asset: Asset, count: int) -> list[dict[str, Any]]:
    """What an item says about each band of an asset, all of its ways of saying it together."""
    bands: list[dict[str, Any]] = [{} for _ in range(count)]
    for key in ("eo:bands", "raster:bands", "bands"):
        said = asset.fields.get(key)
        for band, one in zip(bands, said if isinstance(said, list) and len(said) == count else (), strict=False):
            band.update(one if isinstance(one, dict) else {})
    common = {key: asset.fields[key] for key in ("nodata", "unit") if asset.fields.get(key) is not None}
    return [{**common, **band} for band in bands]


def _plain(band: Mapping[str, Any]) -> dict[str, str]:
    """Text properties, without the prefix that version 1.1 gave to those of the eo extension."""
    return {key.removeprefix("eo:"): value for key, value in band.items() if isinstance(value, str)}


def _band_names(key: str, described: list[dict[str, Any]]) -> list[str]:
    names: dict[str, None] = {}
    for number, band in enumerate(described, start=1):
        given = band.get("name") or _plain(band).get("common_name")
        default = key if len(described) == 1 else f"b{number}"
        names[_unique(_name(given if isinstance(given, str) else default), names)] = None
    return list(names)


def _nodata(value: Any, dtype: str) -> float | None:
    """A nodata value that the type can hold; items write it as a number or as text."""
    try:
        number = float(value)
        stored = DataFormat(dtype=dtype, nodata=number).nodata
    except (TypeError, ValueError, OverflowError, PrismcubeError):
        return None
    return int(stored) if stored is not None and stored == stored and float(stored).is_integer() else stored


def _credit(collection: Mapping[str, Any]) -> dict[str, str]:
    """Who made the data, of a collection's providers."""
    providers = collection.get("providers")
    listed = providers if isinstance(providers, list) else []
    names = [one["name"] for one in listed if isinstance(one, dict) and _is_text(one.get("name"))]
    return {"attribution": ", ".join(names)} if names else {}


def _name(text: str) -> str:
    """The text as a name of a mapping: letters, digits and _ . ~ -"""
    cleaned = re.sub(r"[^\w.~-]+", "-", text)
    return (cleaned if re.match(r"\w", cleaned) else f"x{cleaned}")[:200]


def _identifier(text: str) -> str:
    """The text as the name of a field."""
    cleaned = re.sub(r"\W+", "_", text)
    return cleaned if cleaned.isidentifier() else f"_{cleaned}"


def _unique(name: str, used: Mapping[str, Any], *, separator: str = "-") -> str:
    """The name, or one with a number that is not used."""
    number, free = 2, name
    while free in used:
        free = f"{name}{separator}{number}"
        number += 1
    return free


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)
