"""Tidying up: removing what nothing refers to."""

from __future__ import annotations

from collections.abc import Collection as Sized
from typing import Any

from sqlalchemy import Connection, and_, delete, not_, select

from prismcube.catalogue.engine import Session
from prismcube.catalogue.references import unreferenced
from prismcube.catalogue.tables import aoi, consolidation_params, container, instance, record, variable
from prismcube.errors import InvalidInput

KINDS = ("records", "aois", "containers", "instances", "consolidation", "variables")
"""What can be tidied up, in an order in which each may set free what comes after."""


def tidy(session: Session, kinds: Sized[str] = KINDS, *, simulate: bool = False) -> dict[str, int]:
    """Remove records, areas, files' entries, instances, consolidation settings and variables that nothing refers to.

    How many of each kind. Files themselves stay; entries of managed files too, since nobody would know of these files.
    With `simulate` nothing is removed, and the numbers are those that it would be.

    Raises InvalidInput for an unknown kind.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise InvalidInput("kinds", f"{kind!r} is not one of {', '.join(KINDS)}")
    with session.write() as connection, connection.begin_nested() as part:
        removed = {kind: _remove(connection, kind) for kind in KINDS if kind in kinds}
        if simulate:  # what goes may set free what comes after, so counting alone would say too little
            part.rollback()
    return removed


def _remove(connection: Connection, kind: str) -> int:
    tables: dict[str, Any] = {
        "records": record,
        "aois": aoi,
        "containers": container,
        "instances": instance,
        "variables": variable,
    }
    if kind == "consolidation":
        used = select(instance.c.variable_id)
        condition = consolidation_params.c.variable_id.not_in(used)
        return connection.execute(delete(consolidation_params).where(condition)).rowcount
    table = tables[kind]
    conditions = unreferenced(table)
    if kind == "containers":
        conditions.append(not_(container.c.managed))
    return connection.execute(delete(table).where(and_(*conditions))).rowcount
