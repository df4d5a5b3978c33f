"""Files as documents name them: opened and checked by the same rules as those that are indexed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ingester.validation import FROM_FILE, InternalFormat, check_dataset, dataset_of, header_of
from prismcube.catalogue import Catalogue, UnitOfWork
from prismcube.catalogue.datasets import DatasetFilter
from prismcube.errors import Conflict, InvalidInput, NotFound, SourceError
from prismcube.model.entities import Container, Dataset
from prismcube.raster.inspect import inspect
from prismcube.storage import store
from prismcube.storage.managed import is_below
from prismcube.storage.uri import canonical_uri, without_secret
from prismcube.tiff.layout import Header
from providers.catalogue.documents import Dataset as Document
from providers.catalogue.documents import number


def etag(uri: str) -> str:
    """What the storage says of a file. Raises InvalidInput("uri", ...) for one that is not there."""
    try:
        return store.stat(uri).etag
    except SourceError as error:
        raise InvalidInput("uri", str(error)) from error


def check_managed(of: Catalogue, uri: str) -> None:
    """Refuse to own a file that lies elsewhere than where the settings say: it would be deleted with its container.

    Raises InvalidInput("managed", ...).
    """
    if of.managed is None or not is_below(uri, of.managed):
        where = f"below {of.managed}" if of.managed else "in no folder yet"
        raise InvalidInput("managed", f"only files {where} may be ours (setting prismcube.catalogue.managed)")


def remove(of: Catalogue, uri: str) -> None:
    """Delete a file that is ours; one that is gone already is no mistake. Raises Conflict when it can't be."""
    try:
        check_managed(of, uri)
        if store.exists(uri):
            store.delete(uri)
    except (SourceError, InvalidInput) as error:
        raise Conflict("container", without_secret(uri), f"its file can't be deleted: {error.reason}") from error


@dataclass(frozen=True)
class Read:
    """A dataset as its file's header and a document say, before it is stored."""

    dataset: Dataset
    """Its container is not known yet."""
    etag: str
    """Of the file."""
    header: Header
    """Where the blocks of the part lie that holds it."""


def read(of: Catalogue, document: Document) -> Read:
    """The dataset that a document means, from the header of its file.

    Raises NotFound for an unknown record or instance, InvalidInput for a file that can't be used so.
    """
    record = of.records.get(document.record)
    instance = of.instances.get_by_id(document.instance)
    variable = of.variables.get_by_id(instance.variable_id)
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
        dataset = dataset_of(
            info,
            parts,
            instance_id=document.instance,
            time=record.time,
            record_id=document.record,
            status=document.status,
        )
        header = header_of(dataset)
    except SourceError as error:
        raise InvalidInput("uri", str(error)) from error
    return Read(dataset, info.etag, header)


def container_id(unit: UnitOfWork, found: Read) -> int:
    """The id of the file's container, which is stored when it is new, as is the header of the part.

    Raises Conflict when the file has changed since other datasets of it were stored: they would be misread.
    """
    id = _container_id(unit, found)
    unit.headers.put(id, {found.dataset.subdir: found.header})
    return id


def _container_id(unit: UnitOfWork, found: Read) -> int:
    uri = found.dataset.uri
    try:
        known = unit.containers.get(uri)
    except NotFound:
        return unit.containers.create(Container(uri=uri, etag=found.etag)).id or 0
    if known.etag != found.etag:
        if unit.datasets.list(DatasetFilter(containers=(known.id or 0,)), limit=1):
            raise Conflict("container", known.id, "its file has changed since it was indexed; index it again")
        unit.containers.put(replace(known, etag=found.etag))
    return known.id or 0
