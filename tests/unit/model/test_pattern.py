"""Patterns: what matches, by another way to find out; the databases are asked in tests/integration/catalogue."""

from __future__ import annotations

from string import ascii_letters

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from prismcube.errors import InvalidInput
from prismcube.model.pattern import LONGEST, Pattern, Wildcard, ascii_lower
from prismcube.model.text import LONGEST_TEXT

CHARACTERS = st.sampled_from([*"aAbzZ*?\\[]^-%_.(i)'\"\n\r ", "é", "É", "ı", "K", "ſ", "湖", "🛰", "\U0010ffff"])
TEXTS = st.text(CHARACTERS, max_size=8)


def tokens(text: str) -> tuple[list[tuple[str, bool]], bool]:
    """The characters of a pattern, each with whether it is a wildcard; and whether case is ignored."""
    ignores_case = text.endswith("(?i)")
    found, rest = [], text[: len(text) - 4 * ignores_case]
    while rest:
        escaped = rest[0] == "\\"
        found.append((rest[escaped], rest[escaped] in "*?" and not escaped))  # IndexError: a lone backslash
        rest = rest[1 + escaped :]
    return found, ignores_case


def fits(pattern: str, text: str) -> bool:
    """By going through all prefixes of both, a character at a time."""
    wanted, ignores_case = tokens(pattern)
    reached = {0}  # ends of the prefixes of the text that match what has been seen of the pattern
    for sign, is_wildcard in wanted:
        if is_wildcard and sign == "*":
            reached = set(range(min(reached), len(text) + 1)) if reached else reached
            continue
        same = [is_wildcard or same_character(sign, one, ignores_case=ignores_case) for one in text]
        reached = {end + 1 for end in reached if end < len(text) and same[end]}
    return len(text) in reached


def same_character(one: str, other: str, *, ignores_case: bool) -> bool:
    return one == other or (ignores_case and {one, other} <= set(ascii_letters) and one.upper() == other.upper())


def is_pattern(text: str) -> bool:
    try:
        tokens(text)
    except IndexError:
        return False
    return True


@given(pattern=TEXTS | TEXTS.map(lambda text: text + "(?i)"), text=TEXTS)
def test_matches_what_fits_character_by_character(pattern: str, text: str) -> None:
    assume(is_pattern(pattern))
    assert Pattern(pattern).matches(text) is fits(pattern, text)


@given(
    parts=st.lists(st.tuples(TEXTS, st.sampled_from("*?")), max_size=4),
    fillings=st.lists(TEXTS, min_size=4, max_size=4),
    end=TEXTS,
    ignores_case=st.booleans(),
)
def test_matches_what_its_wildcards_stand_for(
    parts: list[tuple[str, str]], fillings: list[str], end: str, ignores_case: bool
) -> None:
    pattern = "".join(Pattern.literal(literal).text + sign for literal, sign in parts)
    pattern += Pattern.literal(end).text + "(?i)" * ignores_case
    text = ""
    for (literal, sign), filling in zip(parts, fillings, strict=False):
        text += literal + (filling if sign == "*" else (filling or "x")[0])
    text += end
    text = text.translate({ord(one): one.swapcase() for one in ascii_letters}) if ignores_case else text
    assert Pattern(pattern).matches(text)


@given(text=TEXTS | TEXTS.map(lambda text: text + "(?i)"), other=TEXTS)
def test_literal_matches_its_text_alone(text: str, other: str) -> None:
    pattern = Pattern.literal(text)
    assert pattern.exact == pattern.prefix == text
    assert pattern.matches(text)
    assert pattern.matches(other) is (text == other)


@given(pattern=TEXTS, text=TEXTS)
def test_prefix_is_what_every_match_begins_with(pattern: str, text: str) -> None:
    assume(is_pattern(pattern))
    parsed = Pattern(pattern)
    assert text.startswith(parsed.prefix) or not parsed.matches(text)
    assert parsed.matches(text) is (text == parsed.exact) or parsed.exact is None


@pytest.mark.parametrize(
    ("pattern", "parts", "exact", "prefix"),
    [
        ("", (), "", ""),
        ("S2?_*", ("S2", Wildcard.ONE, "_", Wildcard.ANY), None, "S2"),
        ("**a***", (Wildcard.ANY, "a", Wildcard.ANY), None, ""),
        (r"100\%", ("100%",), "100%", "100%"),
        (r"\*\?\\\a", (r"*?\a",), r"*?\a", r"*?\a"),
        ("abc(?i)", ("abc",), None, ""),
        ("(?i)", (), None, ""),
        ("(?i)a", ("(", Wildcard.ONE, "i)a"), None, "("),
        (r"a(\?i)", ("a(?i)",), "a(?i)", "a(?i)"),
    ],
)
def test_parts(pattern: str, parts: tuple[object, ...], exact: str | None, prefix: str) -> None:
    parsed = Pattern(pattern)
    assert (parsed.parts, parsed.exact, parsed.prefix) == (parts, exact, prefix)


@pytest.mark.parametrize(
    ("pattern", "glob", "like"),
    [
        ("a*b?", "a*b?", "a%b_"),
        (r"\*\?[]^", "[*][?][[]]^", "*?[]^"),
        (r"100%_\\x", r"100%_\x", r"100\%\_\\x"),
        ("A_É*(?i)", "A_É*", r"a\_É%"),
    ],
)
def test_what_the_databases_get(pattern: str, glob: str, like: str) -> None:
    assert (Pattern(pattern).glob, Pattern(pattern).like) == (glob, like)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("straße(?i)", "STRAße", True),
        ("straße(?i)", "STRASSE", False),
        ("É(?i)", "é", False),
        ("K(?i)", "\u212a", False),  # the sign of kelvin is a k in Unicode
        ("s(?i)", "ſ", False),
        ("i(?i)", "İ", False),
    ],
)
def test_case_is_that_of_a_to_z(pattern: str, text: str, found: bool) -> None:
    assert Pattern(pattern).matches(text) is found


@given(text=st.text())
def test_lower_case_of_a_to_z(text: str) -> None:
    lower = ascii_lower(text)
    assert len(lower) == len(text)
    for one, other in zip(text, lower, strict=True):
        assert other == (one.lower() if "A" <= one <= "Z" else one)


@pytest.mark.parametrize("pattern", ["\\", "a\\", "\\\\\\", "a\\(?i)"])
def test_a_lone_backslash_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidInput, match="lone backslash") as caught:
        Pattern(pattern)
    assert caught.value.parameter == "pattern"


@pytest.mark.parametrize("pattern", ["a\0*", "a\ud800"])
def test_what_no_name_can_hold_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidInput, match=r"^pattern: "):
        Pattern(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "a" * (LONGEST_TEXT + 1),
        "*" + "🛰" * (LONGEST // 4),
        "🛰" * 12_000 + "%" * 4_000 + "*(?i)",  # short enough for GLOB, not for LIKE, where each % is escaped
    ],
)
def test_one_that_a_database_would_refuse_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidInput, match=r"at most|longer than"):
        Pattern(pattern)


def test_exact_text_may_be_as_long_as_any_name() -> None:
    name = "🛰" * LONGEST_TEXT
    assert Pattern.literal(name).matches(name)
    assert Pattern("*" + "a" * 10_000 + "?").matches("b" + "a" * 10_001)


def test_many_stars_are_no_trap() -> None:
    """Going back to try each star at every place would take longer than anybody lives."""
    assert not Pattern("*a" * 40 + "*b").matches("a" * 16_000)
    assert not Pattern("*?a" * 40 + "b(?i)").matches("A" * 16_000)
    assert Pattern("*a" * 40 + "*b").matches("a" * 16_000 + "b")
