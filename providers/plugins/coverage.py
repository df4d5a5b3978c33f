"""`type: coverage`: pixels as CoverageJSON, and in the one format that the definition names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from pygeoapi.provider.base import BaseProvider, ProviderInvalidQueryError

from prismcube.model.collection import Collection
from prismcube.model.period import format_instant
from providers.ogc import coverage
from providers.ogc.coverage.subset import EAST, LATITUDE, LONGITUDE, NORTH, TIME
from providers.plugins.fields import Fields, pixel_fields
from providers.plugins.source import Source, body_of, filename_of, numbers, subset_text

AXES = sorted(
    {form for name in EAST | NORTH | LONGITUDE | LATITUDE | TIME for form in (name, name.upper(), name.capitalize())}
)
"""Names that pygeoapi lets through in `subset`; the handler knows which of them the collection has."""

SPELLINGS = {"gtiff": "geotiff"}
"""What pygeoapi's users call a format, in lower case, where ours is another word."""


class CoverageProvider(BaseProvider):  # type: ignore[misc]  # pygeoapi carries no types
    """The coverage of a collection of the catalogue."""

    def __init__(self, provider_def: dict[str, Any]) -> None:
        super().__init__(provider_def)
        self._source = Source(provider_def)
        collection = self._source.collection()
        self._fields = pixel_fields(collection)
        self._coverage_properties = _grid_and_time(collection)
        self._native = str((provider_def.get("format") or {}).get("name", ""))
        self.axes = AXES

    def get_fields(self) -> Fields:
        return self._fields

    def query(
        self,
        properties: Sequence[str] = (),
        subsets: Mapping[str, Sequence[Any]] | None = None,
        bbox: Sequence[float] = (),
        bbox_crs: str | None = None,
        datetime_: str | None = None,
        format_: str = "json",
        **_: Any,
    ) -> dict[str, Any] | bytes:
        """CoverageJSON as a dict, or a file of the definition's format.

        Raises pygeoapi's errors: ProviderNoDataError (204) where nothing lies.
        """
        is_native = format_ == self._native
        if format_ != "json" and not is_native:
            raise ProviderInvalidQueryError(user_msg=f"f: must be one of json, html, {self._native}")
        pairs = [
            ("f", SPELLINGS.get(format_.lower(), format_) if is_native else "covjson"),
            ("properties", ",".join(properties) or None),
            ("subset", subset_text(subsets or {}) or None),
            ("bbox", numbers(bbox)),
            ("bbox-crs", bbox_crs),
            ("datetime", datetime_),
        ]
        answer = self._source.answer(coverage.coverage, coverage.PARAMETERS, pairs)
        self.filename = filename_of(answer)
        if is_native:
            return body_of(answer)
        document: dict[str, Any] = orjson.loads(body_of(answer))
        return document


def _grid_and_time(collection: Collection) -> dict[str, Any]:
    """What pygeoapi's collection document reads: the grid in the collection's own CRS, and its time."""
    extent = collection.extent
    if extent is None:
        return {"width": 0, "height": 0, "resx": 0, "resy": 0}
    resx, resy = extent.native.resolution
    return {
        "width": extent.native.width,
        "height": extent.native.height,
        "resx": resx,
        "resy": resy,
        "time_range": [format_instant(extent.start), format_instant(extent.end)],
    }
