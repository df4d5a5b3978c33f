"""`type: map`: pictures of a collection in its styles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pygeoapi.provider.base import BaseProvider, ProviderInvalidQueryError

from prismcube.model.grid import is_north_first
from providers.ogc import maps
from providers.ogc.params import parse_crs_parameter
from providers.plugins.errors import translated
from providers.plugins.fields import Fields, pixel_fields
from providers.plugins.source import Source, body_of, numbers, subset_text


class MapProvider(BaseProvider):  # type: ignore[misc]  # pygeoapi carries no types
    """Maps of a collection of the catalogue."""

    def __init__(self, provider_def: dict[str, Any]) -> None:
        super().__init__(provider_def)
        self._source = Source(provider_def)
        self._fields = pixel_fields(self._source.collection())
        self._native = str((provider_def.get("format") or {}).get("name", "png"))
        self.time_field = "datetime"

    def get_fields(self) -> Fields:
        return self._fields

    def query(
        self,
        style: str | None = None,
        bbox: Sequence[float] = (),
        width: int = 500,
        height: int = 300,
        crs: str | None = None,
        datetime_: str | None = None,
        transparent: bool | str = True,
        format_: str = "png",
        subsets: Mapping[str, Sequence[Any]] | None = None,
        select_properties: Sequence[str] = (),
        **_: Any,
    ) -> bytes:
        """A picture of exactly the area. Raises pygeoapi's errors."""
        if format_ not in (self._native, "html"):
            raise ProviderInvalidQueryError(user_msg=f"f: must be {self._native}")
        pairs = [
            ("f", self._native),
            ("bbox", _box(bbox, crs)),
            ("bbox-crs", crs if bbox else None),
            ("crs", crs),
            ("width", str(width)),
            ("height", str(height)),
            ("datetime", datetime_),
            ("transparent", str(transparent).lower()),
            ("subset", subset_text(subsets or {}) or None),
            ("properties", ",".join(select_properties) or None),
        ]
        path = {"style": style} if style else {}
        return body_of(self._source.answer(maps.map_picture, maps.PARAMETERS, pairs, **path))


def _box(bbox: Sequence[float], crs: str | None) -> str | None:
    """The box as a client writes it: pygeoapi has it as x, y already, whatever the CRS."""
    with translated():
        if bbox and crs and is_north_first(parse_crs_parameter(crs, "crs")):
            west, south, east, north = bbox
            return numbers([south, west, north, east])
    return numbers(bbox)
