"""`type: edr`: series and cubes as CoverageJSON."""

from __future__ import annotations

from typing import Any

import shapely
from pygeoapi.provider.base_edr import BaseEDRProvider

from providers.ogc import edr
from providers.plugins.fields import Fields, pixel_fields
from providers.plugins.source import Source, crs_of, numbers, refuse_storage_crs


class EDRProvider(BaseEDRProvider):  # type: ignore[misc]  # pygeoapi carries no types
    """Environmental Data Retrieval on a collection of the catalogue.

    pygeoapi finds the query types by the methods of this very class, so each one stands here.
    """

    def __init__(self, provider_def: dict[str, Any]) -> None:
        super().__init__(provider_def)
        refuse_storage_crs(provider_def)
        self._source = Source(provider_def)
        self._fields = pixel_fields(self._source.collection())

    def get_fields(self) -> Fields:
        return self._fields

    def instances(self) -> list[str]:
        return []

    def instance(self, instance: str) -> bool:
        return False

    def position(self, **asked: Any) -> dict[str, Any]:
        """The series of the pixel a point lies in."""
        return self._source.document(edr.position, edr.POSITION_PARAMETERS, _pairs(asked))

    def area(self, **asked: Any) -> dict[str, Any]:
        """The cube inside a polygon; with `parameters: {reducer: mean}` in the options, a series."""
        return self._source.document(edr.area, edr.AREA_PARAMETERS, _pairs(asked))


def _pairs(asked: dict[str, Any]) -> list[tuple[str, str | None]]:
    """What pygeoapi has parsed, as the parameters of the address that it came from."""
    geometry, z = asked.get("wkt"), asked.get("z")
    return [
        ("f", "covjson"),
        # Every digit, and every dimension: the handler tells what it doesn't take.
        ("coords", None if geometry is None else shapely.to_wkt(geometry, rounding_precision=-1)),
        ("crs", crs_of(asked.get("crs_transform_spec"))),
        ("datetime", asked.get("datetime_")),
        ("parameter-name", ",".join(asked.get("select_properties") or ()) or None),
        ("z", None if z is None else str(z)),
        ("bbox", numbers(asked.get("bbox"))),
    ]
