"""What all kinds of entities have in common: how one is listed, made, read, changed and deleted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from prismcube.catalogue import Catalogue, Repositories, UnitOfWork
from prismcube.catalogue.references import Deletion
from prismcube.errors import NotFound
from providers.catalogue import documents as doc
from providers.catalogue.filters import Filters
from providers.errors import MethodNotAllowed

Check = Callable[[UnitOfWork], None]
Key = int | str
"""Ids; collections are known by name."""


class Resource[Entity, Model: doc.Document](ABC):
    """How one kind of entity is handled.

    What changes it runs in a transaction of the caller, in which other writers wait: so files and the network are read
    before, by `prepare`.
    """

    name: ClassVar[str]
    """In the path."""
    kind: ClassVar[str]
    """In messages."""
    model: ClassVar[type[doc.Document]]
    filters: ClassVar[tuple[str, ...]] = ()
    """Parameters of a list besides those of pages."""
    changeable: ClassVar[bool] = True
    by_name: ClassVar[bool] = False
    order: ClassVar[tuple[str, ...]] = ("id",)
    """What pages are sorted by, as the repository does it."""
    creates: ClassVar[bool] = True
    """False: made by PUT under a key that exists already."""
    creates_many: ClassVar[bool] = False
    """True: a list of them is stored, all or none."""

    @abstractmethod
    def repository(self, of: Repositories) -> Any: ...

    def page(self, of: Repositories, wanted: Filters, *, after: Any, limit: int) -> list[Entity]:
        """Entities in the order of the repository."""
        found: list[Entity] = self.repository(of).list(after=after, limit=limit)
        return found

    def cursor(self, of: Repositories, entity: Entity) -> tuple[Any, ...]:
        """Where the page after this entity begins."""
        key: tuple[Any, ...] = self.repository(of).key(entity)
        return key

    def parse_key(self, text: str) -> Key:
        """Raises NotFound for what can't be a key."""
        if self.by_name:
            if "\0" in text:
                raise NotFound(self.kind, text[:60])
            return text
        if not (text.isascii() and text.isdigit() and len(text) <= 18):
            raise NotFound(self.kind, text[:60])
        return int(text)

    def get(self, of: Repositories, key: Key) -> Entity:
        entity: Entity = self.repository(of).get_by_id(key)
        return entity

    @abstractmethod
    def document(self, of: Repositories, entity: Entity) -> dict[str, Any]:
        """What can be changed, under the names of the model."""

    def more(self, of: Repositories, entity: Entity) -> dict[str, Any]:
        """What can only be read."""
        return {"id": getattr(entity, "id", None)}

    def key(self, entity: Entity) -> Key:
        key: Key = entity.name if self.by_name else entity.id  # type: ignore[attr-defined]  # every entity has them
        return key

    def documents(self, of: Repositories, found: Sequence[Entity]) -> list[dict[str, Any]]:
        """All that is told of some entities."""
        return [{**self.more(of, one), **self.document(of, one)} for one in found]

    def prepare(self, of: Catalogue, model: Model) -> Any:
        """What `create` and `replace` take: the model, with what must be read from elsewhere."""
        return model

    def create(self, unit: UnitOfWork, wanted: Any) -> Entity:
        """Only where `creates`."""
        raise MethodNotAllowed("make one by PUT under the id of its variable", allowed=("GET",))

    def create_many(self, unit: UnitOfWork, wanted: Sequence[Any]) -> Sequence[Entity]:
        """Only where `creates_many`."""
        raise MethodNotAllowed(f"make each {self.kind} by itself", allowed=("GET", "POST"))

    def replace(self, unit: UnitOfWork, key: Key, wanted: Any) -> Entity:
        """Only where `changeable`."""
        raise MethodNotAllowed(f"an {self.kind} never changes; make another one", allowed=("GET", "DELETE"))

    def remove(
        self, of: Catalogue, keys: Sequence[Key], *, keep_referenced: bool, check: Check | None = None
    ) -> Deletion:
        """Remove entities in a transaction of its own, in which `check` is asked first."""
        with of.transaction() as unit:
            if check:
                check(unit)
            return self.delete(unit, keys, keep_referenced=keep_referenced)

    def delete(self, unit: UnitOfWork, keys: Sequence[Key], *, keep_referenced: bool) -> Deletion:
        deletion: Deletion = self.repository(unit).delete(keys, keep_referenced=keep_referenced)
        return deletion
