"""The catalogue of some settings: made, brought up to date, opened. Brings no GDAL, unlike what fills it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from config.settings import Settings
from prismcube.catalogue import Catalogue
from prismcube.catalogue import migrate as migrate_catalogue
from prismcube.errors import ConfigurationError
from prismcube.model.collection import Collection
from prismcube.storage.uri import canonical_uri


def migrate(settings: Settings) -> None:
    """Create the home folder and the catalogue, or bring its tables up to this version.

    Raises ConfigurationError when there can be no such folder.
    """
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = f"can't be made: {settings.home}: {error.strerror}"
        raise ConfigurationError(str(settings.path), [("prismcube.home", reason)]) from error
    migrate_catalogue(settings.catalogue_url)


@contextmanager
def opened(settings: Settings) -> Iterator[Catalogue]:
    """The migrated catalogue, closed at the end of the block."""
    migrate(settings)
    catalogue = Catalogue(settings.catalogue_url, managed=canonical_uri(settings.managed))
    try:
        yield catalogue
    finally:
        catalogue.close()


def every_collection(catalogue: Catalogue) -> Iterator[Collection]:
    """All collections by name, page by page."""
    after: tuple[str] | None = None
    while page := catalogue.collections.list(after=after):
        yield from page
        after = (page[-1].name,)
