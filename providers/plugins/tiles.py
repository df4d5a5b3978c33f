"""`type: tile`: map tiles in the default style of a collection."""

from __future__ import annotations

from typing import Any

from pygeoapi.models.provider.base import TileMatrixSetEnum
from pygeoapi.provider.base import ProviderItemNotFoundError
from pygeoapi.provider.tile import BaseTileProvider, ProviderTileNotFoundError, ProviderTilesetIdNotFoundError

from providers.ogc import maptiles
from providers.plugins.source import Source, body_of


class TileProvider(BaseTileProvider):  # type: ignore[misc]  # pygeoapi carries no types
    """Tiles of a collection of the catalogue, drawn on request."""

    def __init__(self, provider_def: dict[str, Any]) -> None:
        super().__init__(provider_def)
        self._source = Source(provider_def, others=("zoom", "schemes"))
        self.tile_type = "raster"  # so pygeoapi's page draws them

    def get_layer(self) -> str:
        return self._source.name

    def get_fields(self) -> dict[str, Any]:
        return {}

    def get_tiling_schemes(self) -> list[Any]:
        """Those sets that both know, or of them those that `schemes` names."""
        ours = self._source.context().matrix_sets
        both = [one.value for one in TileMatrixSetEnum if one.value.tileMatrixSet in ours]
        return [one for one in both if not self.schemes or one.tileMatrixSet in self.schemes]

    def get_tiles_service(
        self,
        baseurl: str | None = None,
        servicepath: str | None = None,
        dirpath: str | None = None,
        tile_type: str | None = None,
    ) -> dict[str, Any]:
        """Links to a tile and to its set; `servicepath` is the template of the address."""
        address = servicepath or f"{baseurl}/collections/{self.get_layer()}/tiles/{_PLACE}?f={self.format_type}"
        described = address.partition("/{tileMatrix}/")[0] + "/metadata?f=json"
        return {
            "links": [
                {"type": self.mimetype, "rel": "item", "title": "Map tiles", "href": address},
                {"type": "application/json", "rel": "describedby", "title": "The tile set", "href": described},
            ]
        }

    def get_tiles(
        self,
        layer: str | None = None,
        tileset: str | None = None,
        z: str | int | None = None,
        y: str | int | None = None,
        x: str | int | None = None,
        format_: str | None = None,
    ) -> bytes:
        """A tile; transparent where nothing lies. Raises ProviderTileNotFoundError outside the set."""
        try:
            place = {"tms": str(tileset), "z": str(z), "row": str(y), "col": str(x)}
            answer = self._source.answer(maptiles.tile, maptiles.PARAMETERS, [("f", self.format_type)], **place)
        except ProviderItemNotFoundError as error:
            raise ProviderTileNotFoundError(str(error)) from error
        return body_of(answer)

    def get_metadata(
        self,
        dataset: str,
        server_url: str,
        layer: str | None = None,
        tileset: str | None = None,
        metadata_format: str | None = None,
        title: str | None = None,
        description: str | None = None,
        **_: Any,
    ) -> dict[str, Any]:
        """The tile set (OGC 17-083r4, TileSet Metadata), or what pygeoapi's page of it shows."""
        scheme = next((one for one in self.get_tiling_schemes() if one.tileMatrixSet == tileset), None)
        if scheme is None:
            raise ProviderTilesetIdNotFoundError(f"no tile set {tileset!r}")
        here = f"{server_url}/collections/{dataset}/tiles/{tileset}"
        tile = f"{here}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}?f={self.format_type}"
        if metadata_format == "html":
            return {
                "id": dataset,
                "title": title,
                "tileset": tileset,
                "collections_path": tile,
                "json_url": f"{here}/metadata?f=json",
            }
        definition = f"{server_url}/TileMatrixSets/{tileset}"
        return {
            "title": title,
            "description": description,
            "dataType": "map",
            "crs": scheme.crs,
            "tileMatrixSetURI": scheme.tileMatrixSetURI,
            "links": [
                {"rel": "item", "type": self.mimetype, "title": "Map tiles", "href": tile, "templated": True},
                {"rel": _SCHEME, "type": "application/json", "title": f"{tileset}", "href": definition},
            ],
        }


_PLACE = "{tileMatrixSetId}/{tileMatrix}/{tileRow}/{tileCol}"
_SCHEME = "http://www.opengis.net/def/rel/ogc/1.0/tiling-scheme"
