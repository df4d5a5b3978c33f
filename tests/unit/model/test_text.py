"""Text that the catalogue keeps: what is refused, and that nothing else is."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prismcube.errors import InvalidInput
from prismcube.model.text import LONGEST_NAME, LONGEST_TEXT, check_name, check_text


@given(text=st.text() | st.text(alphabet=st.characters(codec=None, categories=["Cs", "Cc", "Lu"])))
def test_text_is_any_unicode_but_nul(text: str) -> None:
    fits = "\0" not in text and not any(0xD800 <= ord(character) < 0xE000 for character in text)
    try:
        check_text("p", text)
    except InvalidInput as error:
        assert not fits
        assert error.parameter == "p"
    else:
        assert fits


@pytest.mark.parametrize(("longest", "unit"), [(LONGEST_TEXT, "a"), (LONGEST_TEXT, "🛰"), (5, "é")])
def test_length_is_counted_in_characters(longest: int, unit: str) -> None:
    check_text("p", unit * longest, longest=longest)
    with pytest.raises(InvalidInput, match=f"has {longest + 1:,} characters, at most {longest:,} are allowed"):
        check_text("p", unit * (longest + 1), longest=longest)


@pytest.mark.parametrize(("text", "reason"), [("a\0b" * 50, "holds a NUL"), ("\ud83d" * 90, "is not valid Unicode")])
def test_message_shows_only_the_beginning(text: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as caught:
        check_text("p", text)
    assert len(str(caught.value)) < 600
    str(caught.value).encode()  # it can be sent


@given(
    name=st.text(max_size=5) | st.sampled_from(["", " a", "a\u00a0", "\u3000a", "a b", "a\tb", "a\x85b", "\x7f", "湖"])
)
def test_name_is_visible_text(name: str) -> None:
    wrong = (
        not name
        or name[0].isspace()
        or name[-1].isspace()
        or any(unicodedata.category(one) in ("Cc", "Cs") for one in name)
    )
    if not wrong:
        check_name("p", name)
        return
    with pytest.raises(InvalidInput, match=r"^p: "):
        check_name("p", name)


def test_name_of_200_characters_is_the_longest() -> None:
    check_name("p", "湖" * LONGEST_NAME)
    with pytest.raises(InvalidInput, match="at most 200 are allowed"):
        check_name("p", "a" * (LONGEST_NAME + 1))
