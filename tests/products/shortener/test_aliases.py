from __future__ import annotations

from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodeca.kernel.errors import Invalid
from dodeca.products.shortener import aliases
from dodeca.products.shortener.aliases import alternatives, check_alias, is_reserved


@pytest.mark.parametrize("text", ["abc", " spring-sale_2031 ", "A" * 64])
def test_an_alias_may_have_letters_digits_hyphen_and_underscore(text: str) -> None:
    assert check_alias(text) == text.strip()


@pytest.mark.parametrize("text", ["", "ab", "A" * 65, "a b c", "café", "a/b", "../x", "a\0b", "abc\n!", "🙂🙂🙂"])
def test_other_aliases_are_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_alias(text)
    assert caught.value.field == "alias"


def test_one_character_is_enough_on_an_own_domain() -> None:
    assert check_alias("x", own_domain=True) == "x"


@pytest.mark.parametrize("word", ["admin", "API", "Clicks", "v4", "s"])
def test_names_of_the_product_are_reserved_in_any_case(word: str) -> None:
    assert is_reserved(word)


def test_alternatives_resemble_the_alias_and_are_free() -> None:
    def taken(names: Collection[str]) -> Collection[str]:
        return {name for name in names if name.endswith("-2") or name.startswith("my-")}

    found = alternatives("Sale", taken)

    assert len(found) == 3
    assert all("sale" in name.lower() for name in found)
    assert not taken([name.lower() for name in found])


def test_there_are_alternatives_however_crowded_a_name_is() -> None:
    used: set[str] = set()
    for _ in range(100):
        found = alternatives("sale", used.intersection)
        assert len(set(found)) == 3
        assert not used & set(found)
        used.update(name.lower() for name in found)


@given(st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True))
def test_every_alternative_is_itself_a_valid_alias(alias: str) -> None:
    for name in alternatives(alias, lambda _: ()):
        assert check_alias(name) == name
        assert aliases.alias_key(name) != aliases.alias_key(alias)
        assert not is_reserved(name)
