"""`type: edr`: series and cubes as CoverageJSON."""

from __future__ import annotations

from typing import Any

import shapely
from pygeoapi.crs import DEFAULT_CRS_LIST
from pygeoapi.provider.base_edr import BaseEDRProvider

from prismcube.errors import ConfigurationError
from providers.ogc import edr
from providers.plugins.errors import translated
from providers.plugins.fields import Fields, pixel_fields
from providers.plugins.source import Source, numbers


class EDRProvider(BaseEDRProvider):  # type: ignore[misc]  # pygeoapi carries no types
    """Environmental Data Retrieval on a collection of the catalogue.

    pygeoapi finds the query types by the methods of this very class, so each one stands here.
    """

    def __init__(self, provider_def: dict[str, Any]) -> None:
        super().__init__(provider_def)
        self._source = Source(provider_def)
        self._fields = pixel_fields(self._source.collection())
        with translated():
            # pygeoapi passes `crs` on only where it differs from this one, so any other would be taken for CRS84.
            if provider_def.get("storage_crs", DEFAULT_CRS_LIST[0]) not in DEFAULT_CRS_LIST:
                raise ConfigurationError("storage_crs", [("storage_crs", "must be left out of an EDR provider")])

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
    geometry, spec = asked.get("wkt"), asked.get("crs_transform_spec")
    z = asked.get("z")
    return [
        ("f", "covjson"),
        # Every digit, and every dimension: the handler tells what it doesn't take.
        ("coords", None if geometry is None else shapely.to_wkt(geometry, rounding_precision=-1)),
        ("crs", spec.target_crs_uri if spec else None),
        ("datetime", asked.get("datetime_")),
        ("parameter-name", ",".join(asked.get("select_properties") or ()) or None),
        ("z", None if z is None else str(z)),
        ("bbox", numbers(asked.get("bbox"))),
    ]
