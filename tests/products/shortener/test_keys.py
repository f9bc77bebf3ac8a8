from __future__ import annotations

import threading
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dodeca.products.shortener import keys
from dodeca.products.shortener.keys import Bijection, Lease, Leases, base62, from_base62


class CountingSource:
    """Ranges in order, from a lock: what a database row gives."""

    def __init__(self, counters: dict[int, int] | None = None) -> None:
        self.counters = dict(counters or {})
        self.leases: list[Lease] = []
        self._lock = threading.Lock()

    def lease(self, at_least: int) -> Lease:
        with self._lock:
            length = keys.growing_length(self.counters, at_least)
            lease = Lease(length, self.counters.get(length, 0))
            self.counters[length] = lease.start + keys.RANGE_SIZE
            self.leases.append(lease)
            return lease


@given(st.data(), st.integers(2, keys.MAX_LENGTH), st.binary(min_size=1, max_size=64))
def test_the_bijection_can_be_undone(data: st.DataObject, length: int, key: bytes) -> None:
    counter = data.draw(st.integers(0, 62**length - 1))
    bijection = Bijection(key, length)

    place = bijection.forward(counter)

    assert 0 <= place < 62**length
    assert bijection.backward(place) == counter


@pytest.mark.parametrize("length", [2, 3])
def test_the_bijection_reaches_every_place_once(length: int) -> None:
    bijection = Bijection(b"key", length)
    step = 1 if length == 2 else 7  # 7 is prime to 62, so the sample of 3 letters has no pattern of its own

    places = [bijection.forward(counter) for counter in range(0, 62**length, step)]

    assert len(set(places)) == len(places)


def test_neighbours_lie_apart_and_every_key_orders_them_differently() -> None:
    one = [base62(Bijection(b"one", 6).forward(n), 6) for n in range(2_000)]
    two = [base62(Bijection(b"two", 6).forward(n), 6) for n in range(2_000)]

    assert not set(one) & set(two)
    for position in range(6):  # a letter is expected 32 times; 75 would be 7 standard deviations
        assert max(Counter(code[position] for code in one).values()) < 75
    assert one != sorted(one)


@pytest.mark.parametrize("counter", [-1, 62**6])
def test_a_counter_outside_the_domain_is_an_error(counter: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        Bijection(b"key", 6).forward(counter)
    with pytest.raises(ValueError, match="outside"):
        Bijection(b"key", 6).backward(counter)


@given(st.integers(0, 62**6 - 1))
def test_base62_can_be_read_back(number: int) -> None:
    text = base62(number, 6)

    assert len(text) == 6
    assert from_base62(text) == number


def test_base62_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="no base62 form"):
        base62(62**6, 6)
    with pytest.raises(ValueError, match="digit"):
        from_base62("ab-c")


def test_codes_of_many_threads_and_processes_are_distinct() -> None:
    source = CountingSource()
    processes = [Leases(source, b"key") for _ in range(3)]
    codes: list[str] = []

    def draw(leases: Leases) -> None:
        mine = [leases.next_readable() if n % 3 == 0 else leases.next_code(6 + n % 2) for n in range(700)]
        codes.extend(mine)

    threads = [threading.Thread(target=draw, args=(leases,)) for leases in processes * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(codes) == 6 * 700
    assert len(set(codes)) == len(codes)


def test_a_new_process_never_repeats_a_code_of_one_that_crashed() -> None:
    source = CountingSource()
    crashed = [Leases(source, b"key").next_code() for _ in range(3)]

    later = [Leases(source, b"key").next_code() for _ in range(3)]

    assert not set(crashed) & set(later)


def test_readable_codes_have_seven_characters_none_of_them_ambiguous() -> None:
    leases = Leases(CountingSource(), b"key")

    codes = [leases.next_readable() for _ in range(1_500)]

    assert {len(code) for code in codes} == {7}
    assert not set("".join(codes)) & set("0O1lI")


def test_what_is_not_readable_serves_other_callers() -> None:
    leases = Leases(CountingSource(), b"key")
    readable = [leases.next_readable() for _ in range(200)]

    others = [leases.next_code(7) for _ in range(20)]

    assert not set(readable) & set(others)
    assert not any(keys.is_readable(code) for code in others)


def test_offensive_and_reserved_codes_are_skipped() -> None:
    drawn: list[str] = []

    def unwanted(code: str) -> bool:
        drawn.append(code)
        return len(drawn) % 2 == 1

    leases = Leases(CountingSource(), b"key", unwanted=unwanted)

    codes = [leases.next_code() for _ in range(10)]

    assert codes == drawn[1::2]


@pytest.mark.parametrize("code", ["aFuCk1", "5h1tXX", "xN4z1x", "sl_u7"])
def test_offensive_words_are_seen_through_case_and_digits(code: str) -> None:
    assert keys.is_offensive(code) is (code != "sl_u7")


def test_a_length_is_left_at_eighty_percent() -> None:
    edge = int(0.8 * 62**6) + 1

    assert keys.growing_length({}, 6) == 6
    assert keys.growing_length({6: edge - 1_000}, 6) == 6
    assert keys.growing_length({6: edge}, 6) == 7
    assert keys.growing_length({6: edge, 7: 62**7}, 6) == 8
    assert keys.growing_length({2: 3_000}, 2) == 3  # the last 844 codes of two letters are less than a range


def test_codes_grow_when_their_length_is_nearly_used_up() -> None:
    leases = Leases(CountingSource({6: 62**6 * 4 // 5 + 1}), b"key")

    assert len(leases.next_code()) == 7


def test_using_up_the_longest_codes_is_an_error() -> None:
    with pytest.raises(ValueError, match="used up"):
        keys.growing_length({10: 62**10}, 10)


def test_keys_left_falls_to_nothing_at_the_growth_share() -> None:
    assert keys.keys_left(0, 6) == 1
    assert keys.keys_left(int(0.4 * 62**6), 6) == pytest.approx(0.5)
    assert keys.keys_left(62**6, 6) == 0


def test_topping_up_leases_ahead_once() -> None:
    source = CountingSource()
    leases = Leases(source, b"key")

    leases.top_up()
    leases.top_up()
    leases.next_code()

    assert len(source.leases) == 1


def test_lookalikes_offer_the_code_that_was_meant() -> None:
    assert "abc0de" in keys.lookalikes("abcOde")
    assert "iS2x" in keys.lookalikes("l5Zx")
    assert keys.lookalikes("Wxyc") == []


def test_lookalikes_come_nearest_first_and_are_bounded() -> None:
    found = keys.lookalikes("0O1lI5S2Z8B" * 6)

    assert len(found) == 64
    assert all(sum(a != b for a, b in zip(code, "0O1lI5S2Z8B" * 6, strict=True)) == 1 for code in found)
