"""The two databases, and expressions that each of them writes in its own way.

Such an expression is a class with one SQL text a database; its operands are ordinary expressions of SQLAlchemy, so
values stay bound parameters on both:

    class contains(Condition):
        sqlite = "{0} LIKE {1}"
        postgresql = "{0} ILIKE {1}"
"""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import Boolean
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

SQLITE, POSTGRESQL = "sqlite", "postgresql"


class PerDatabase(FunctionElement[Any]):
    """An expression whose SQL differs between the databases; `{0}`, `{1}`, ... are its operands."""

    type: TypeEngine[Any] = Boolean()
    inherit_cache = True

    sqlite: ClassVar[str]
    postgresql: ClassVar[str]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.inherit_cache = True  # SQLAlchemy wants it said by each class: the class and the operands are all there is


class Condition(PerDatabase):
    """A condition that stands in a query as it is.

    On SQLite, SQLAlchemy would write `(...) = 1`, and SQLite would look up nothing within in an index.
    """

    def self_group(self, against: Any = None) -> Any:
        return self


@compiles(PerDatabase, SQLITE)
def _on_sqlite(element: PerDatabase, compiler: Any, **options: Any) -> str:
    return _text(element.sqlite, element, compiler, options)


@compiles(PerDatabase, POSTGRESQL)
def _on_postgresql(element: PerDatabase, compiler: Any, **options: Any) -> str:
    return _text(element.postgresql, element, compiler, options)


def _text(template: str, element: PerDatabase, compiler: Any, options: dict[str, Any]) -> str:
    # Only the operands that the text names: one that the other database alone needs must not become a parameter here.
    operands = [
        compiler.process(one, **options) if f"{{{position}}}" in template else ""
        for position, one in enumerate(element.clauses)
    ]
    return f"({template.format(*operands)})"
