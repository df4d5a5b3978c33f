"""The tile matrix sets of a server: those that come with it, and those of the operator's own folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import orjson

from prismcube.errors import ConfigurationError, InvalidInput
from prismcube.model.tilematrix import TileMatrixSet, standard_sets

SETTING = "prismcube.tiles.matrix_sets"


def read_matrix_sets(folder: str | None) -> Mapping[str, TileMatrixSet]:
    """By id; every `*.json` of the folder is one. Raises ConfigurationError with the mistakes of all files."""
    sets = dict(standard_sets())
    if folder is None:
        return sets
    if not Path(folder).is_dir():
        raise ConfigurationError(folder, [(SETTING, "is not a folder")])
    mistakes = []
    for file in sorted(Path(folder).glob("*.json")):
        try:
            one = TileMatrixSet.from_json(orjson.loads(file.read_bytes()))
            if one.id in sets:
                raise InvalidInput("id", f"there is a set {one.id!r} already")
            sets[one.id] = one
        except InvalidInput as error:
            mistakes.append((file.name, str(error)))
        except orjson.JSONDecodeError as error:
            mistakes.append((file.name, f"is not JSON: {error}"))
        except OSError as error:
            mistakes.append((file.name, f"can't be read: {error.strerror}"))
    if mistakes:
        raise ConfigurationError(folder, mistakes)
    return sets
