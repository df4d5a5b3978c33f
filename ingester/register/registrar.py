"""The registrar: STAC items become datasets.

run -> walk         (sources.py) documents and links -> items
    -> _candidates  (items.py) items -> assets, and the rule that fits each
    -> Loader       (../loading.py) headers -> catalogue; differences to the item (claims.py) are told
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from ingester.loading import Loader, Options, Progress, ignore
from ingester.mapping import Mapping as Rules
from ingester.mapping.rules import AssetRule, ItemRule
from ingester.outcomes import Outcome, Status, Summary, failed
from ingester.planning import Candidate
from ingester.register.claims import differences
from ingester.register.derive import SAMPLE, Derived, derive
from ingester.register.items import Asset, Item, read_item
from ingester.register.sources import MALFORMED, Problem, linked_collection, told, walk
from prismcube.catalogue import Catalogue
from prismcube.errors import PrismcubeError, SourceError
from prismcube.raster.inspect import RasterInfo
from prismcube.storage.uri import without_secret

MOST_NOTES = 50
"""Differences told of one asset."""

LONGEST_NOTE = 500
"""Characters of one of them; items are quoted in it."""


class Registrar:
    """Registers the assets of STAC items in a catalogue by the rules of a mapping."""

    def __init__(
        self,
        catalogue: Catalogue,
        mapping: Rules,
        options: Options | None = None,
        *,
        assets: tuple[str, ...] = (),
        left_out: Mapping[str, str] | None = None,
    ) -> None:
        """`assets`: the keys wanted; none means all for which there is a rule. `left_out`: why others have no rule."""
        self._catalogue = catalogue
        self._mapping = mapping
        self._options = options or Options()
        self._assets = frozenset(assets)
        self._left_out = left_out or {}

    def run(self, sources: Iterable[str], *, progress: Progress = ignore) -> Summary:
        """Register the items of documents, lists and catalogues; `progress` hears of each asset once it is stored.

        What fails is reported and left out: a document, an item or an asset. Raises Conflict when a variable of the
        mapping exists already with other bands or another format.
        """
        loader = Loader(self._catalogue, self._mapping, self._options)
        return loader.run(self._candidates(sources), progress=progress)

    def _candidates(self, sources: Iterable[str]) -> Iterator[Candidate | Outcome]:
        for found in walk(sources):
            if isinstance(found, Problem):
                yield failed(found.name, found.reason)
                continue
            try:
                item = read_item(found)
            except SourceError as error:
                yield failed(error.uri, error.reason)
                continue
            yield from self._of_item(item)

    def _of_item(self, item: Item) -> Iterator[Candidate | Outcome]:
        rules = [rule for rule in self._mapping.items if rule.match(item.collection)]
        if not rules:
            reason = f"no rule of the mapping takes items of the collection {item.collection!r}"
            yield Outcome(name=item.id, status=Status.SKIPPED, reason=reason)
        elif not item.assets:
            yield Outcome(name=item.id, status=Status.SKIPPED, reason="has no assets")
        for asset in item.assets if rules else ():
            if not self._assets or asset.key in self._assets:
                yield self._candidate(item, asset, rules)

    def _candidate(self, item: Item, asset: Asset, rules: list[ItemRule]) -> Candidate | Outcome:
        name = f"{item.id}/{asset.key}"
        fitting = _rule(asset.key, rules)
        if fitting is None:
            reason = self._left_out.get(asset.key) or asset.not_data or "no rule of the mapping takes it"
            return Outcome(name=name, status=Status.SKIPPED, reason=reason, uri=without_secret(asset.uri))
        if asset.problem:
            return failed(name, asset.problem)
        rule, groups = fitting
        return Candidate(
            name=name,
            uri=asset.uri,
            subdir=asset.subdir,
            content=rule.content,
            values={**item.values, "asset": asset.key, **groups},
            compare=partial(_compare, item, asset),
        )


def _compare(item: Item, asset: Asset, info: RasterInfo) -> tuple[str, ...]:
    """How a file differs from its item; what an item says is no reason to refuse a file that is good."""
    try:
        notes = differences(item, asset, info)
    except (PrismcubeError, *MALFORMED) as error:
        return (f"what the item says of it can't be compared ({told(error)})",)
    return tuple(note[:LONGEST_NOTE] for note in notes[:MOST_NOTES])


def _rule(key: str, rules: list[ItemRule]) -> tuple[AssetRule, dict[str, str]] | None:
    """The first rule for an asset, and the groups of its pattern."""
    for rule in (asset for of_item in rules for asset in of_item.assets):
        groups = rule.match(key)
        if groups is not None:
            return rule, groups
    return None


def derive_mapping(sources: Iterable[str], name: str, *, assets: tuple[str, ...] = ()) -> Derived:
    """A mapping for the items of these sources, by looking at the first of them.

    Raises SourceError when none of them can be used.
    """
    sample: list[Item] = []
    problem: SourceError | None = None  # the first; the run itself tells of all that don't stop it
    collection: Mapping[str, Any] | None = None
    for found in walk(sources):
        try:
            if isinstance(found, Problem):
                raise SourceError(found.name, found.reason)
            sample.append(read_item(found))
        except SourceError as error:
            problem = problem or error
            continue
        if collection is None:
            collection = found.collection or linked_collection(found)
        if len(sample) == SAMPLE:
            break
    if not sample and problem:
        raise problem
    return derive(sample, name, collection=collection or {}, assets=assets)
