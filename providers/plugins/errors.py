"""Errors of ours as those of pygeoapi, with the statuses that our own server answers with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from pygeoapi.provider.base import (
    ProviderConnectionError,
    ProviderGenericError,
    ProviderInvalidQueryError,
    ProviderItemNotFoundError,
    ProviderRequestEntityTooLargeError,
)

from prismcube.errors import (
    BudgetExceeded,
    CatalogueUnavailable,
    ConfigurationError,
    InvalidInput,
    NotFound,
    PrismcubeError,
    SourceError,
    StorageFull,
    TimeExceeded,
)
from providers.errors import Forbidden


class ArchiveUnreadable(ProviderConnectionError):  # type: ignore[misc]  # pygeoapi carries no types
    """A file behind the catalogue can't be used."""

    ogc_exception_code = "NoApplicableCode"
    http_status_code = HTTPStatus.BAD_GATEWAY
    default_msg = "the files of the archive could not be read (check logs)"


class Unavailable(ProviderConnectionError):  # type: ignore[misc]
    """The catalogue doesn't answer, the provider is wrongly configured, or the answer takes too long."""

    http_status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_msg = "the catalogue does not answer (check logs)"


class NoSuchCollection(ProviderConnectionError):  # type: ignore[misc]
    """The catalogue has no collection of the name that the configuration gives: pygeoapi's list leaves it out."""

    ogc_exception_code = "NotFound"
    http_status_code = HTTPStatus.NOT_FOUND


class NotAllowed(ProviderGenericError):  # type: ignore[misc]
    """Nobody may do this here."""

    http_status_code = HTTPStatus.FORBIDDEN


class NoRoom(ProviderGenericError):  # type: ignore[misc]
    """There is no room to write the answer."""

    http_status_code = HTTPStatus.INSUFFICIENT_STORAGE
    default_msg = "the server has no room to write the answer"


def as_pygeoapi(error: PrismcubeError) -> ProviderGenericError:
    """The error that pygeoapi answers with the right status; only what a stranger may read is in its `user_msg`."""
    match error:
        case InvalidInput():
            return ProviderInvalidQueryError(str(error), user_msg=str(error))
        case NotFound():
            return ProviderItemNotFoundError(str(error), user_msg=str(error))
        case BudgetExceeded():
            return ProviderRequestEntityTooLargeError(str(error), user_msg=str(error))
        case Forbidden():
            return NotAllowed(str(error), user_msg=str(error))
        case TimeExceeded():
            return Unavailable(str(error), user_msg=str(error))
        case SourceError():
            return ArchiveUnreadable(str(error))
        case StorageFull():
            return NoRoom(str(error))
        case CatalogueUnavailable() | ConfigurationError():
            return Unavailable(str(error))
        case _:
            return ProviderGenericError(str(error))


@contextmanager
def translated() -> Iterator[None]:
    """What the block raises of ours becomes pygeoapi's."""
    try:
        yield
    except PrismcubeError as error:
        raise as_pygeoapi(error) from error
