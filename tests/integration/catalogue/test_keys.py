"""API keys in the catalogue, and that SQL and Python agree on who may read what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prismcube.catalogue import Catalogue
from prismcube.catalogue.collection_filter import CollectionFilter
from prismcube.errors import Conflict, InvalidInput, NotFound
from prismcube.model.access import AUTHENTICATED, EVERYONE, Access, Rule, Scope
from prismcube.model.collection import Collection
from prismcube.model.keys import parts_of
from prismcube.model.pattern import Pattern

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_key_is_found_by_its_id_and_opened_by_its_secret(catalogue: Catalogue) -> None:
    key, text = catalogue.keys.create("a", scopes=[Scope.WRITE], groups=["g", "h"], now=NOW)
    public, secret = parts_of(text) or ("", "")
    found = catalogue.keys.find(public)
    assert found == key
    assert (found.scopes, found.groups, found.created) == ({Scope.READ, Scope.WRITE}, {"g", "h"}, NOW)
    assert found.opens(secret, now=NOW)
    assert not found.opens(secret[::-1], now=NOW)
    assert not found.opens("", now=NOW)
    assert catalogue.keys.find("0" * 12) is None


def test_only_a_hash_of_the_secret_is_kept(catalogue: Catalogue) -> None:
    texts = [catalogue.keys.create(f"k{i}", scopes=[Scope.READ])[1] for i in range(3)]
    with catalogue.engine.connect() as connection:
        kept = str(connection.execute(sa.text("SELECT * FROM api_key")).all())
    for text in texts:
        assert (parts_of(text) or ("", ""))[1] not in kept
    assert len({len(text) for text in texts}) == 1
    assert len({parts_of(text) for text in texts}) == 3


def test_an_expired_key_opens_nothing(catalogue: Catalogue) -> None:
    key, text = catalogue.keys.create("a", scopes=[Scope.READ], expires=NOW + timedelta(days=1), now=NOW)
    secret = (parts_of(text) or ("", ""))[1]
    assert key.opens(secret, now=NOW + timedelta(hours=23))
    assert not key.opens(secret, now=NOW + timedelta(days=1))
    assert key.state(now=NOW + timedelta(days=2)).startswith("expired 2026-01-03")


def test_a_revoked_key_stays_known_and_opens_nothing(catalogue: Catalogue) -> None:
    _, text = catalogue.keys.create("a", scopes=[Scope.READ], now=NOW)
    revoked = catalogue.keys.revoke("a", now=NOW + timedelta(hours=1))
    assert not revoked.opens((parts_of(text) or ("", ""))[1], now=NOW)
    assert catalogue.keys.revoke("a").revoked == NOW + timedelta(hours=1)  # the first time counts
    assert [one.name for one in catalogue.keys.list()] == ["a"]


def test_names_are_unique_until_they_are_deleted(catalogue: Catalogue) -> None:
    catalogue.keys.create("a", scopes=[Scope.READ])
    with pytest.raises(Conflict, match="exists already"):
        catalogue.keys.create("a", scopes=[Scope.READ])
    catalogue.keys.delete("a")
    catalogue.keys.create("a", scopes=[Scope.ADMIN])
    for call in (catalogue.keys.delete, catalogue.keys.revoke):
        with pytest.raises(NotFound):
            call("b")


def test_use_is_noted(catalogue: Catalogue) -> None:
    key, _ = catalogue.keys.create("a", scopes=[Scope.READ], now=NOW)
    assert key.used is None
    catalogue.keys.remember_use(key.public, now=NOW)
    assert catalogue.keys.list()[0].used == NOW


@pytest.mark.parametrize(
    "wanted",
    [
        {"name": ""},
        {"name": "a b"},
        {"groups": ["a b"]},
        {"scopes": []},
        {"expires": NOW},
    ],
)
def test_what_is_no_key(catalogue: Catalogue, wanted: dict[str, Any]) -> None:
    given = {"name": "a", "scopes": [Scope.READ], "now": NOW} | wanted
    with pytest.raises(InvalidInput):
        catalogue.keys.create(given.pop("name"), **given)


# --- rules ----------------------------------------------------------------------------------------------------------

NAMES = ["a", "A", "ab", "a.b", "a_b", "a-b", "b", "ba", "s2-1", "s2-10", "S2-1", "x"]

patterns = st.lists(st.sampled_from([*"abAs2-1._x", "*", "?", "\\*", "["]), max_size=4).map("".join)
subjects = st.frozensets(st.sampled_from([EVERYONE, AUTHENTICATED, "key:k", "group:g", "user:u"]))
rules = st.builds(
    Rule,
    collections=st.builds(lambda text, flag: Pattern(text + flag), patterns, st.sampled_from(["", "(?i)"])),
    read=subjects,
    write=subjects,
)
accesses = st.builds(
    Access,
    subjects=st.frozensets(st.sampled_from([AUTHENTICATED, "key:k", "group:g"])).map(lambda some: some | {EVERYONE}),
    scopes=st.frozensets(st.sampled_from(Scope)),
    rules=st.lists(rules, max_size=4).map(tuple),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(access=accesses)
def test_lists_hold_what_may_be_read(catalogue: Catalogue, access: Access) -> None:
    if not catalogue.collections.list():
        for name in NAMES:
            catalogue.collections.put(Collection(name=name, fields=()))
    readable = sorted(name for name in NAMES if access.may_read(name))
    assert [one.name for one in catalogue.collections.list(access=access)] == readable
    found = catalogue.collections.search(CollectionFilter(), access=access, limit=100)
    assert [one.name for one in found] == readable
    if access.reads_everything:
        assert readable == sorted(NAMES)


@given(access=accesses, name=st.sampled_from(NAMES))
def test_what_is_written_is_read(access: Access, name: str) -> None:
    if access.may_write(name):
        assert access.may_read(name)
        assert access.may_change
    if access.writes_everything:
        assert access.may_write(name)


@given(access=accesses, name=st.sampled_from(NAMES))
def test_the_first_rule_that_matches_decides(access: Access, name: str) -> None:
    matching = [rule for rule in access.rules if rule.collections.matches(name)]
    alone = Access(subjects=access.subjects, scopes=access.scopes, rules=tuple(matching[:1]))
    assert access.may_read(name) == alone.may_read(name)
    assert access.may_write(name) == alone.may_write(name)
