"""Files as documents name them: opened and checked by the same rules as those that are indexed."""

from __future__ import annotations

from ingester.validation import FROM_FILE, InternalFormat, check_dataset
from prismcube.catalogue import UnitOfWork
from prismcube.errors import Conflict, InvalidInput, SourceError
from prismcube.model.entities import Container, Dataset
from prismcube.raster.inspect import inspect
from prismcube.storage import store
from prismcube.storage.uri import canonical_uri
from providers.catalogue.documents import Dataset as Document
from providers.catalogue.documents import number


def etag(uri: str) -> str:
    """What the storage says of a file. Raises InvalidInput("uri", ...) for one that is not there."""
    try:
        return store.stat(uri).etag
    except SourceError as error:
        raise InvalidInput("uri", str(error)) from error


def remove(uri: str) -> None:
    """Delete a file that is ours; one that is gone already is no mistake. Raises Conflict when it can't be."""
    try:
        if store.exists(uri):
            store.delete(uri)
    except SourceError as error:
        raise Conflict("container", uri, f"its file can't be deleted: {error.reason}") from error


def dataset(unit: UnitOfWork, document: Document) -> Dataset:
    """The dataset that a document means, from the header of its file; stores the container when it is new.

    Raises NotFound for an unknown record or instance, InvalidInput for a file that can't be used so.
    """
    record = unit.records.get(document.record)
    instance = unit.instances.get_by_id(document.instance)
    variable = unit.variables.get_by_id(instance.variable_id)
    internal = InternalFormat(
        nodata=FROM_FILE if document.nodata == "file" else number(document.nodata),
        minimum=document.minimum,
        maximum=document.maximum,
    )
    try:
        info = inspect(canonical_uri(document.uri), document.subdir)
        parts = check_dataset(
            info, bands=document.bands, variable=variable, internal=internal, mapping=document.mapping.value()
        )
    except SourceError as error:
        raise InvalidInput("uri", str(error)) from error
    container, _ = unit.containers.put(Container(uri=info.uri, etag=info.etag))
    return Dataset(
        record_id=document.record,
        instance_id=document.instance,
        container_id=container.id or 0,
        time=record.time,
        uri=info.uri,
        bands=parts.bands,
        format=parts.format,
        mapping=parts.mapping,
        grid=info.grid,
        footprint=info.footprint,
        subdir=document.subdir,
        status=document.status,
    )
