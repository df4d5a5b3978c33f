"""`prismcube key`"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from prismcube.errors import InvalidInput
from prismcube.model.access import Scope
from prismcube.model.period import format_instant, parse_instant
from server.cli.options import ConfigOption, HomeOption, settings_for

keys = typer.Typer(no_args_is_help=True, help="API keys: who may read and write what.")

_AGE = re.compile(r"([1-9][0-9]{0,4})([dh])", re.ASCII)

WIDE = 1000
"""Characters."""

Name = Annotated[str, typer.Argument(help="Name of the key; rules write it key:NAME.")]


def parse_expiry(text: str, *, now: datetime) -> datetime:
    """An instant from `90d`, `12h` or RFC 3339. Raises InvalidInput."""
    age = _AGE.fullmatch(text)
    if age is None:
        try:
            return parse_instant(text)
        except InvalidInput as error:
            raise InvalidInput(
                "expires", f"{text[:40]!r} is neither an age such as 90d or 12h nor an instant"
            ) from error
    return now + (timedelta(days=int(age[1])) if age[2] == "d" else timedelta(hours=int(age[1])))


@keys.command("create")
def create(
    name: Name,
    scope: Annotated[Scope, typer.Option(help="What it may do at most: each brings those before it.")] = Scope.READ,
    group: Annotated[list[str] | None, typer.Option(help="A group it belongs to; may be repeated.")] = None,
    expires: Annotated[str | None, typer.Option(help="When it ends, such as 90d, 12h or 2030-01-01.")] = None,
    config: ConfigOption = None,
    home: HomeOption = None,
) -> None:
    """Make a key and print it, this once: only its hash is kept.

    Example: prismcube key create notebook --scope read --group analysts --expires 90d
    """
    from server.opening import opened

    settings = settings_for(config, home=home)
    now = datetime.now(UTC)
    until = None if expires is None else parse_expiry(expires, now=now)
    with opened(settings) as catalogue:
        _, text = catalogue.keys.create(name, scopes=[scope], groups=group or (), expires=until, now=now)
    typer.echo(text)
    told = Console(stderr=True, highlight=False)
    told.print("Keep it safe: it is shown this once.", markup=False)
    if not settings.access.keys:
        told.print("No key is asked for yet: set prismcube.access.keys to true.", markup=False)


@keys.command("list")
def list_keys(config: ConfigOption = None, home: HomeOption = None) -> None:
    """List the keys, without their secrets; `used` is some hours late at most.

    Example: prismcube key list
    """
    from server.opening import opened

    table = Table("name", "id", "scopes", "groups", "created", "used", "state", box=None, header_style="bold")
    now = datetime.now(UTC)
    with opened(settings_for(config, home=home)) as catalogue:
        for key in catalogue.keys.list():
            scopes = " ".join(one for one in Scope if one in key.scopes)
            texts = (key.name, key.public, scopes, " ".join(sorted(key.groups)), format_instant(key.created))
            used = format_instant(key.used) if key.used else "never"
            table.add_row(*map(escape, (*texts, used, key.state(now=now))))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDE  # a program reads it: nothing is folded
    console.print(table)


@keys.command("revoke")
def revoke(name: Name, config: ConfigOption = None, home: HomeOption = None) -> None:
    """Take a key out of use, within 5 seconds on running servers; it stays in the list.

    Example: prismcube key revoke notebook
    """
    from server.opening import opened

    with opened(settings_for(config, home=home)) as catalogue:
        catalogue.keys.revoke(name)
    Console(highlight=False).print(f"revoked {name}", markup=False)


@keys.command("delete")
def delete(name: Name, config: ConfigOption = None, home: HomeOption = None) -> None:
    """Remove a key. Its name is free again: a new key of that name gets what rules give to key:NAME.

    Example: prismcube key delete notebook
    """
    from server.opening import opened

    with opened(settings_for(config, home=home)) as catalogue:
        catalogue.keys.delete(name)
    Console(highlight=False).print(f"deleted {name}", markup=False)
