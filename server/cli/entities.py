"""`prismcube catalogue`: every kind of entity under the same verbs, by the same handlers as over HTTP."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from prismcube.errors import InvalidInput
from server.cli.options import ConfigOption, HomeOption, settings_for

if TYPE_CHECKING:
    from prismcube.catalogue import Catalogue
    from providers.ogc.answer import Answer

entities = typer.Typer(
    no_args_is_help=True,
    help="Entities of the catalogue: aois, records, variables, instances, containers, datasets, palettes, styles, "
    "layouts, grids, consolidation-params, collections. Documents are JSON, as over HTTP at /catalogue.",
)

JSON = "application/json"
Entity = Annotated[str, typer.Argument(help="Such as records or variables; `prismcube catalogue kinds` lists them.")]
KeyArgument = Annotated[str, typer.Argument(help="Id; of collections, the name.")]
File = Annotated[str, typer.Argument(help="File with the JSON document; - for standard input.")]


@entities.command("kinds")
def kinds() -> None:
    """List the kinds of entities, with the filters that their lists take.

    Example: prismcube catalogue kinds
    """
    from rich.table import Table

    from providers.catalogue.resources import RESOURCES

    table = Table("kind", "filters", "what it is", box=None, header_style="bold")
    for name, one in RESOURCES.items():
        table.add_row(name, " ".join(one.filters), (one.model.__doc__ or "").partition("\n")[0])
    Console(highlight=False).print(table)


@entities.command("schema")
def schema(entity: Entity) -> None:
    """Print the JSON Schema of the documents of a kind.

    Example: prismcube catalogue schema variables
    """
    from providers.catalogue.handlers import resource_of

    _print(resource_of(entity).model.model_json_schema())


@entities.command("list")
def list_entities(
    entity: Entity,
    where: Annotated[list[str] | None, typer.Option(help="A filter, as name='S2*' or tags=cloud; repeatable.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 100,
    config: ConfigOption = None,
    home: HomeOption = None,
) -> None:
    """Print entities, a JSON document a line.

    Example: prismcube catalogue list records --where name='S2*' --where datetime=2016
    """
    import orjson

    from providers.catalogue import handlers

    pairs = [_pair(one) for one in where or ()]
    left = limit
    after: list[tuple[str, str]] = []
    with _opened(config, home) as catalogue:
        while left > 0:
            size = ("limit", str(min(left, handlers.MOST)))
            document = handlers.page(catalogue, entity, [*pairs, size, *after], base="")
            for one in document["entities"]:
                sys.stdout.write(orjson.dumps(one).decode() + "\n")
            left -= len(document["entities"])
            if "after" not in document:
                break
            after = [("after", document["after"])]


@entities.command("get")
def get(entity: Entity, key: KeyArgument, config: ConfigOption = None, home: HomeOption = None) -> None:
    """Print one entity.

    Example: prismcube catalogue get collections s2-romania
    """
    from providers.catalogue import handlers

    with _opened(config, home) as catalogue:
        _print(handlers.read(catalogue, entity, key, ()))


@entities.command("create")
def create(entity: Entity, file: File = "-", config: ConfigOption = None, home: HomeOption = None) -> None:
    """Store a new entity and print it. A list of records stores all of them or none.

    Example: echo '{"name": "grey", "points": [...]}' | prismcube catalogue create palettes
    """
    from providers.catalogue import handlers

    body = _read(file)
    with _opened(config, home) as catalogue:
        _tell(handlers.create(catalogue, entity, body, content_type=JSON, base=""))


@entities.command("update")
def update(
    entity: Entity,
    key: KeyArgument,
    file: File = "-",
    replace: Annotated[bool, typer.Option("--replace", help="The document is whole, not a merge patch.")] = False,
    if_match: Annotated[str, typer.Option(help="Only if the entity still has this ETag.")] = "",
    config: ConfigOption = None,
    home: HomeOption = None,
) -> None:
    """Change the members that a document names (RFC 7396), or with --replace all of them; print the result.

    Example: echo '{"unit": "1"}' | prismcube catalogue update variables 1
    """
    from providers.catalogue import handlers

    body = _read(file)
    change = handlers.replace if replace else handlers.patch
    with _opened(config, home) as catalogue:
        _tell(change(catalogue, entity, key, body, content_type=JSON, if_match=if_match))


@entities.command("delete")
def delete(
    entity: Entity,
    keys: Annotated[list[str], typer.Argument(help="Ids; of collections, names.")],
    keep_referenced: Annotated[
        bool, typer.Option("--keep-referenced", help="Keep those that something refers to, delete all others.")
    ] = False,
    config: ConfigOption = None,
    home: HomeOption = None,
) -> None:
    """Delete entities, all or none. Files go with their container only where they are ours (managed).

    Example: prismcube catalogue delete records 4 5 6 --keep-referenced
    """
    from providers.catalogue import handlers
    from providers.catalogue.operations import deletion_document

    with _opened(config, home) as catalogue:
        done = handlers.delete_many(catalogue, entity, keys, keep_referenced=keep_referenced)
    _print(deletion_document(done))


@entities.command("run")
def run(
    operation: Annotated[
        str, typer.Argument(help="records/tags, datasets/status, datasets/lock, datasets/unlock or datasets/mapping.")
    ],
    file: File = "-",
    config: ConfigOption = None,
    home: HomeOption = None,
) -> None:
    """Do something to many entities at once, as POST /catalogue/OPERATION does.

    Example: echo '{"ids": [1, 2], "add": {"cloud": "low"}}' | prismcube catalogue run records/tags
    """
    from providers.catalogue import operations

    if operation not in operations.OPERATIONS:
        raise InvalidInput("operation", f"{operation!r} is not one of {', '.join(operations.OPERATIONS)}")
    body = _read(file)
    with _opened(config, home) as catalogue:
        _tell(operations.run(catalogue, operation, body, content_type=JSON))


@entities.command("tiles")
def tiles(
    layout: Annotated[str, typer.Argument(help="Name of the layout.")],
    area: Annotated[str, typer.Argument(help="File with a GeoJSON Polygon or MultiPolygon; - for standard input.")],
    config: ConfigOption = None,
    home: HomeOption = None,
) -> None:
    """Print the tiles of a layout that an area touches, a GeoJSON feature a line.

    Example: prismcube catalogue tiles utm area.geojson
    """
    import orjson

    from providers.catalogue import operations

    body = orjson.dumps({"layout": layout, "geometry": orjson.Fragment(_read(area))})
    with _opened(config, home) as catalogue:
        for line in operations.tiles(catalogue, body, content_type=JSON):
            sys.stdout.write(line.lstrip(b"\x1e").decode())


@entities.command("layouts")
def layouts(
    where: Annotated[list[str] | None, typer.Option(help="A filter of containers, as uri='*2016*'.")] = None,
    config: ConfigOption = None,
    home: HomeOption = None,
) -> None:
    """Print the names of the layouts in which a set of containers is written.

    Example: prismcube catalogue layouts --where records=1,2
    """
    from providers.catalogue import operations

    with _opened(config, home) as catalogue:
        _print(operations.layouts(catalogue, [_pair(one) for one in where or ()]))


def tidy(
    kind: Annotated[
        list[str] | None,
        typer.Option(help="records, aois, containers, instances, consolidation or variables; by default all."),
    ] = None,
    simulate: Annotated[bool, typer.Option("--simulate", help="Only say how many would go.")] = False,
    config: ConfigOption = None,
    home: HomeOption = None,
) -> None:
    """Remove from the catalogue what nothing refers to; files stay.

    Example: prismcube tidy --simulate
    """
    from prismcube.catalogue.tidy import KINDS

    with _opened(config, home) as catalogue:
        removed = catalogue.tidy(kind or KINDS, simulate=simulate)
    verb = "would remove" if simulate else "removed"
    for name, number in removed.items():
        Console(highlight=False).print(f"{verb} {number} {name}", markup=False)


@contextmanager
def _opened(config: Path | None, home: Path | None) -> Iterator[Catalogue]:
    from server.opening import opened

    with opened(settings_for(config, home=home)) as catalogue:
        yield catalogue


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise InvalidInput("where", f"{text[:60]!r} must be written name=value")
    return name, value


def _read(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise InvalidInput("file", f"{file}: {error.strerror}") from error


def _body(answer: Answer) -> bytes:
    if not isinstance(answer.body, bytes):
        raise TypeError("documents are not sent in files")
    return answer.body


def _tell(answer: Answer) -> None:
    import orjson

    _print(orjson.loads(_body(answer)))


def _print(document: Any) -> None:
    import orjson

    sys.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n")
