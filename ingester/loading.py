"""Loading: files and their rules become datasets of the catalogue, whoever found them.

    run -> _prepare     variables and instances
        -> _plans       in chunks: what is stored of them; in threads: header -> records and datasets; validates
        -> _store       in batches of one transaction, in which one bad file fails alone
        -> _finish      collections; the catalogue keeps their extents

Nothing grows with the number of files: a bounded window of headers is in flight.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Mapping as Dict
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import batched

from ingester.mapping.rules import Content, Mapping
from ingester.outcomes import Outcome, Status, Summary, failed
from ingester.planning import Candidate, Plan, Planner, facts, with_statuses
from prismcube.catalogue import Catalogue, Change, FileEntry, UnitOfWork
from prismcube.catalogue.headers import HeaderState
from prismcube.cube.observer import ReadBytes
from prismcube.errors import PrismcubeError
from prismcube.model.entities import Instance, own_etag
from prismcube.storage.uri import without_secret
from prismcube.storage.versions import is_current
from prismcube.tiff.layout import Header

BATCH = 200
"""Files a transaction: about a tenth of a second, which other writers wait."""

WINDOW = 16
"""Headers in flight a thread."""

CHUNK = 50
"""Files looked up in the catalogue at once."""

Progress = Callable[[Outcome], None]
_Planned = tuple[Candidate | None, Plan | Outcome]
"""A file, and what is to be stored of it or what became of it already."""


def ignore(outcome: Outcome) -> None:
    """Progress that nobody watches."""
    del outcome


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a run treats what it finds."""

    replace: bool = False
    """True: what is stored and differs is replaced; else the difference is named and refused."""
    deep: bool = False
    """True: every file is opened, also one that has not changed, and its pixels are read."""
    dry_run: bool = False
    """True: nothing is written; outcomes are those that a run would have."""
    threads: int = 4
    """Files opened at once."""
    reads: ReadBytes = field(default_factory=ReadBytes, compare=False)
    """Is told of files of which pixels are read: all of their bytes, as they lie."""
    most_bytes: int | None = None
    """When `reads` has more, no other file is looked at; None: all are."""

    @property
    def is_spent(self) -> bool:
        return self.most_bytes is not None and self.reads.total > self.most_bytes


class _Undo(Exception):
    """Takes a dry run's writes back."""


class Loader:
    """Loads files into a catalogue by the rules of a mapping."""

    def __init__(self, catalogue: Catalogue, mapping: Mapping, options: Options) -> None:
        self._catalogue = catalogue
        self._mapping = mapping
        self._options = options
        self._instances: dict[str, int] = {}
        self._trust = _Trust()

    def run(self, candidates: Iterable[Candidate | Outcome], *, progress: Progress = ignore) -> Summary:
        """Load files; `progress` hears of each once it is stored.

        A file that fails is reported and left out. Raises Conflict when a variable of the mapping exists already with
        other bands or another format.
        """
        counts: Counter[Status] = Counter()
        with self._transaction() as unit:
            self._instances = self._prepare(unit)
        touched: tuple[str, ...] = ()
        try:
            with ThreadPoolExecutor(self._options.threads, thread_name_prefix="ingest") as pool:
                for batch in batched(self._plans(candidates, pool), BATCH):
                    for outcome in self._store(batch):
                        counts[outcome.status] += 1
                        progress(outcome)
        finally:  # also when interrupted: what is stored is seen
            if not self._options.dry_run:
                touched = self._finish()
        return Summary.of(counts, collections=touched)

    @contextmanager
    def _transaction(self) -> Iterator[UnitOfWork]:
        """A transaction, taken back at its end in a dry run."""
        with suppress(_Undo), self._catalogue.transaction() as unit:
            yield unit
            if self._options.dry_run:
                raise _Undo

    def _prepare(self, unit: UnitOfWork) -> dict[str, int]:
        """Store variables and instances; ids of the instances by `variable/instance`."""
        ids = {name: unit.variables.put(one)[0].id for name, one in self._mapping.variables.items()}
        found = {}
        for key in self._mapping.instances:
            variable, _, name = key.partition("/")
            wanted = Instance(variable_id=_known(ids[variable]), name=name)
            found[key] = _known(unit.instances.get_or_create(wanted)[0].id)
        return found

    def _finish(self) -> tuple[str, ...]:
        """Put the mapping's collections; names of all that have a field of its instances."""
        put = {self._catalogue.collections.put(one.bind(self._instances))[0].name for one in self._mapping.collections}
        return tuple(sorted(put | set(self._catalogue.collections.using(self._instances.values()))))

    def _plans(self, candidates: Iterable[Candidate | Outcome], pool: ThreadPoolExecutor) -> Iterator[_Planned]:
        """Plans of all files in their order, a bounded number of them ahead."""
        options = self._options
        planner = Planner(
            variables=self._mapping.variables, instances=self._instances, deep=options.deep, reads=options.reads
        )
        # With a budget none wait for a thread: those that do would be read beyond it.
        window = options.threads * (WINDOW if options.most_bytes is None else 1)
        ahead: deque[Future[_Planned] | _Planned] = deque()
        for chunk in batched(candidates, CHUNK):
            uris = [one.uri for one in chunk if isinstance(one, Candidate)]
            known = self._catalogue.files.known(uris)
            headers = self._catalogue.headers.states(uris)
            for one in chunk:
                if isinstance(one, Outcome):
                    ahead.append((None, one))
                elif not options.is_spent:
                    ahead.append(pool.submit(self._plan, planner, one, known.get(one.uri), headers.get(one.uri, {})))
                while len(ahead) >= window:
                    yield _done(ahead.popleft())
            if options.is_spent:
                break
        while ahead:
            yield _done(ahead.popleft())

    def _plan(
        self, planner: Planner, candidate: Candidate, known: FileEntry | None, headers: Dict[str, HeaderState]
    ) -> _Planned:
        try:
            if known and not self._options.deep and self._is_unchanged(planner, candidate, known, headers):
                return candidate, _outcome(candidate, Status.UNCHANGED, fallbacks=_fallbacks(headers))
            plan = planner.plan(candidate)
        except PrismcubeError as error:
            return candidate, _failed(candidate, error)
        if known:
            plan = replace(plan, entry=with_statuses(plan.entry, known))
            self._trust.learn(candidate.content, facts(plan.entry) <= facts(known))
        return candidate, plan

    def _is_unchanged(
        self, planner: Planner, candidate: Candidate, known: FileEntry, headers: Dict[str, HeaderState]
    ) -> bool:
        state = own_etag(known.container.etag)
        return (
            all(_is_state(headers, one.subdir, state) for of in known.holdings for one in of.datasets)
            and self._trust.covers(candidate.content)
            and planner.is_known(candidate, known)
            and is_current(candidate.uri, known.container.etag)
        )

    def _store(self, batch: Sequence[_Planned]) -> list[Outcome]:
        """Store a batch in one transaction, in which a file may fail alone."""
        entries = [plan.entry for _, plan in batch if isinstance(plan, Plan)]
        stored: Iterator[Change | PrismcubeError] = iter(())
        if entries:
            with self._transaction() as unit:
                if self._options.dry_run:  # the instances of the run were taken back
                    entries = [_with_instances(entry, self._instances, self._prepare(unit)) for entry in entries]
                stored = iter(unit.files.put_many(entries, replace=self._options.replace))
        outcomes = []
        for candidate, plan in batch:
            if isinstance(plan, Outcome) or candidate is None:
                outcomes.append(plan if isinstance(plan, Outcome) else failed("", "no file"))
                continue
            change = next(stored)
            if isinstance(change, PrismcubeError):
                outcomes.append(_failed(candidate, change))
            else:
                fallbacks = _fallbacks(plan.entry.headers)
                outcomes.append(_outcome(candidate, Status(change.value), notes=plan.notes, fallbacks=fallbacks))
        return outcomes


@dataclass
class _Trust:
    """Whether what is stored of files was made by the rules of this run, so that unchanged files can stay closed.

    Whether a rule's nodata or the file's was taken is not stored; the first files of each such rule are opened to see.
    """

    _answers: dict[int, bool] = field(default_factory=dict)

    def covers(self, content: Content) -> bool:
        return all(one.overrides_nodata for one in content.datasets) or self._answers.get(id(content), False)

    def learn(self, content: Content, same: bool) -> None:
        """A file of that content was opened, and is stored as the rule says (`same`) or not."""
        self._answers[id(content)] = self._answers.get(id(content), True) and same


def _with_instances(entry: FileEntry, old: Dict[str, int], new: Dict[str, int]) -> FileEntry:
    ids = {old[key]: new[key] for key in old}
    holdings = (
        replace(of, datasets=tuple(replace(one, instance_id=ids[one.instance_id]) for one in of.datasets))
        for of in entry.holdings
    )
    return replace(entry, holdings=tuple(holdings))


def _outcome(
    candidate: Candidate, status: Status, *, notes: tuple[str, ...] = (), fallbacks: tuple[str, ...] = ()
) -> Outcome:
    uri = without_secret(candidate.uri)
    return Outcome(name=candidate.name, status=status, uri=uri, notes=notes, fallbacks=fallbacks)


def _is_state(headers: Dict[str, HeaderState], subdir: str, etag: str) -> bool:
    """True when a part's header is stored, and of that state; an older version of Prismcube stored none."""
    return subdir in headers and headers[subdir].etag == etag


def _fallbacks(
    headers: Dict[str, HeaderState | Header] | Dict[str, HeaderState] | Dict[str, Header],
) -> tuple[str, ...]:
    return tuple(
        f"{subdir}: {one.reason}" if subdir else one.reason for subdir, one in sorted(headers.items()) if one.reason
    )


def _failed(candidate: Candidate, error: PrismcubeError) -> Outcome:
    """Why a file failed, without the query of a signed URL, whoever wrote the message."""
    location, _, query = candidate.uri.partition("?")
    reason = str(error)
    if query:
        reason = reason.replace(candidate.uri, location).replace(query, "...")
    return failed(candidate.name, reason, uri=without_secret(candidate.uri))


def _done(item: Future[_Planned] | _Planned) -> _Planned:
    return item.result() if isinstance(item, Future) else item


def _known(id: int | None) -> int:
    """The id of an entity that is stored."""
    if id is None:
        raise TypeError("the entity is not stored yet")
    return id
