"""Collections of a Prismcube catalogue as providers of an unmodified pygeoapi, over the handlers of `providers.ogc`.

    pygeoapi's own route ─> provider.query(...) ─> parameters as text ─> the handler of our own server
                       <── dict or bytes, or one of pygeoapi's errors <─

docs/how-to/use-in-pygeoapi.md has the configuration, and what pygeoapi itself can't pass on.
"""

from providers.plugins.coverage import CoverageProvider
from providers.plugins.edr import EDRProvider
from providers.plugins.features import FeatureProvider
from providers.plugins.maps import MapProvider
from providers.plugins.tiles import TileProvider

__all__ = ["CoverageProvider", "EDRProvider", "FeatureProvider", "MapProvider", "TileProvider"]
