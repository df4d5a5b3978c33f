"""Time steps that could not be read, or not wholly, and the files that are to blame."""

from __future__ import annotations

from collections.abc import Iterable

from prismcube.cube.plan import CubePlan
from prismcube.errors import SourceError
from prismcube.model.cube import Slice, SliceStatus
from prismcube.storage.store import exists
from prismcube.storage.uri import without_secret

UNREAD = frozenset({SliceStatus.FAILED, SliceStatus.PARTIAL})

NAMED = 5
"""Files at most that a line names."""


def problem_of(plan: CubePlan, one: Slice, what: str) -> SourceError | None:
    """What kept a time step of a plan from being read wholly, with the file's URI; None when nothing did.

    `what` begins the reason. Of files of one name, as archives have them with a folder a scene, that is one that is not
    there, or all of them.
    """
    if one.status not in UNREAD:
        return None
    uris = list(dict.fromkeys(step.uri for layer in plan.slices[one.index].layers for step in layer.steps))
    named = [uri for uri in uris if _is_named(uri, one.message)]
    if len(named) > 1:
        named = [uri for uri in named if not _is_there(uri)][:1] or named
    return SourceError(" or ".join(map(without_secret, named or uris[:1])), f"{what}: {one.message}")


def _is_there(uri: str) -> bool:
    try:
        return exists(uri)
    except SourceError:  # nor can it be read
        return False


def _is_named(uri: str, message: str) -> bool:
    """Whether a slice's message says of the file that it could not be read."""
    return any(told.startswith(SourceError(uri, "").public) for told in message.split("; "))


def summary(ends: Iterable[tuple[SliceStatus, str]]) -> str:
    """How many of a cube's time steps could not be read wholly, with the first files; empty when all could be."""
    every = list(ends)
    unread = [message for status, message in every if status in UNREAD]
    if not unread:
        return ""
    told = list(dict.fromkeys(one for message in unread for one in message.split("; ")))
    more = f"; and {len(told) - NAMED:,} more" if len(told) > NAMED else ""
    count = f"{len(unread):,} of {len(every):,} time steps"
    return f"{count} could not be read, or not wholly: {'; '.join(told[:NAMED])}{more}"
