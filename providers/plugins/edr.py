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
        """Series of the pixels that points lie in."""
        return self._source.document(edr.position, edr.POSITION_PARAMETERS, _drawn(asked))

    def area(self, **asked: Any) -> dict[str, Any]:
        """The cube inside a polygon; with `parameters: {reducer: mean}` in the options, a series."""
        return self._source.document(edr.area, edr.AREA_PARAMETERS, _drawn(asked))

    def radius(self, **asked: Any) -> dict[str, Any]:
        """The same of a circle."""
        pairs = [*_drawn(asked), ("within", asked.get("within")), ("within-units", asked.get("within_units"))]
        return self._source.document(edr.radius, edr.RADIUS_PARAMETERS, pairs)

    def corridor(self, **asked: Any) -> dict[str, Any]:
        """The same along a line, as wide as asked, half of it on each side."""
        names = ("corridor-width", "width-units", "corridor-height", "height-units")
        pairs = [*_drawn(asked), *((name, asked.get(name.replace("-", "_"))) for name in names)]
        return self._source.document(edr.corridor, edr.CORRIDOR_PARAMETERS, pairs)

    def trajectory(self, **asked: Any) -> dict[str, Any]:
        """Pixels along a line."""
        return self._source.document(edr.trajectory, edr.TRAJECTORY_PARAMETERS, _drawn(asked))

    def cube(self, **asked: Any) -> dict[str, Any]:
        """The cube of a box."""
        pairs = [*_common(asked), ("bbox", numbers(asked.get("bbox")))]
        return self._source.document(edr.cube, edr.CUBE_PARAMETERS, pairs)

    def locations(self, **asked: Any) -> dict[str, Any]:
        """Areas of interest as GeoJSON, or the series of one of them."""
        key = asked.get("location_id")
        if key is not None:
            pairs = [*_common(asked), ("bbox", numbers(asked.get("bbox")))]
            return self._source.document(edr.location, edr.LOCATION_PARAMETERS, pairs, key=str(key))
        limit, (_, *others) = asked.get("limit"), _common(asked)
        pairs = [*others, ("bbox", numbers(asked.get("bbox"))), ("limit", None if limit is None else str(limit))]
        document = self._source.document(edr.locations, edr.LOCATIONS_PARAMETERS, pairs)
        document.pop("links", None)  # to our server's addresses, which nobody knows here
        for one in document["features"]:
            one["properties"].pop("edrqueryendpoint", None)
        return document


def _common(asked: dict[str, Any]) -> list[tuple[str, str | None]]:
    """What pygeoapi has parsed, as the parameters of the address that it came from."""
    z = asked.get("z")
    return [
        ("f", "covjson"),
        ("crs", crs_of(asked.get("crs_transform_spec"))),
        ("datetime", asked.get("datetime_")),
        ("parameter-name", ",".join(asked.get("select_properties") or ()) or None),
        ("z", None if z is None else str(z)),
    ]


def _drawn(asked: dict[str, Any]) -> list[tuple[str, str | None]]:
    """The same with a geometry: every digit, and every dimension; the handler tells what it doesn't take."""
    geometry = asked.get("wkt")
    return [*_common(asked), ("coords", None if geometry is None else shapely.to_wkt(geometry, rounding_precision=-1))]
