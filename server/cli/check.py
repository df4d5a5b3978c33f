"""`prismcube check-config`"""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from config.settings import describe
from config.tree import SECRETS
from server.cli.options import ConfigOption, find_config, settings_for


def check_config(config: ConfigOption = None) -> None:
    """Check the configuration file and show what it amounts to; exit code 2 and every mistake by name otherwise.

    Example: prismcube check-config --config /etc/prismcube/pygeoapi-config.yml
    """
    settings = settings_for(config)
    from server.matrix_sets import read_matrix_sets  # brings PROJ, which not every verb needs

    read_matrix_sets(settings.tiles.matrix_sets)
    table = Table("setting", "value", box=None, header_style="bold")
    for setting in describe():
        if ".N." in setting.name:  # of an element of a list, which is shown as a whole
            continue
        value: object = settings
        for part in setting.name.split(".")[1:]:
            value = getattr(value, part)
        shown = "(set)" if setting.name in SECRETS and value else str(value)
        table.add_row(setting.name, escape(shown))
    console = Console()
    console.print(table)
    console.print(f"{find_config(config)} is right", markup=False)
