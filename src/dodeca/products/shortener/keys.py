"""The key generation service: short codes that are unique without a check and cannot be guessed.

A process leases a range of 1,000 counters from a RangeSource (a database row or ZooKeeper). Each counter goes
through a keyed bijection of 0 … 62ⁿ−1, and the result is written in base62. Distinct counters give distinct
codes, and without the key the next code cannot be told from the last. A crash wastes the rest of a range and
repeats nothing.

The bijection is an alternating Feistel network on Z_a x Z_b with a·b = 62ⁿ exactly (Black and Rogaway,
"Ciphers with arbitrary finite domains", 2002; the construction of FFX). Because the domain fits, there is no
cycle walking: every counter costs ROUNDS keyed hashes. It hides the order of creation; it is not a secret
store.

The key must never change while codes exist: another key is another bijection, whose codes may collide with
the old.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from dodeca.products.shortener.aliases import RESERVED

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
READABLE = frozenset(BASE62) - frozenset("0O1lI")
"""Characters of codes that are read from paper or said aloud."""

DEFAULT_LENGTH = 6
READABLE_LENGTH = 7
MIN_LENGTH = 2
MAX_LENGTH = 10
"""62¹⁰ is the largest power that fits a signed 64-bit counter."""
RANGE_SIZE = 1_000
GROWTH_SHARE = 0.8
"""A length is left for the next once this share of it is leased: six letters last 710 days at 926 a
second."""
ROUNDS = 8

_VALUES = {character: value for value, character in enumerate(BASE62)}


def base62(number: int, length: int) -> str:
    """`number` in base62, padded with zeros to `length`. Raises ValueError when it does not fit."""
    rest, digits = number, []
    for _ in range(length):
        rest, digit = divmod(rest, 62)
        digits.append(BASE62[digit])
    if rest or number < 0:
        raise ValueError(f"{number} has no base62 form of {length} characters")
    return "".join(reversed(digits))


def from_base62(text: str) -> int:
    """The number that a base62 text stands for. Raises ValueError for other characters."""
    number = 0
    for character in text:
        try:
            number = number * 62 + _VALUES[character]
        except KeyError:
            raise ValueError(f"{character!r} is not a base62 digit") from None
    return number


class Bijection:
    """A keyed permutation of the numbers below 62**length."""

    def __init__(self, key: bytes, length: int) -> None:
        if not MIN_LENGTH <= length <= MAX_LENGTH:
            raise ValueError(f"codes have {MIN_LENGTH} to {MAX_LENGTH} characters, not {length}")
        self.size: int = 62**length
        self._left: int = 62 ** (length // 2)
        self._right: int = self.size // self._left
        secret = hashlib.blake2b(key, digest_size=32, person=b"dodeca-codes").digest()
        self._rounds = [hashlib.blake2b(b"%d/%d" % (length, n), key=secret, digest_size=16) for n in range(ROUNDS)]

    def _noise(self, turn: int, half: int) -> int:
        state = self._rounds[turn].copy()
        state.update(half.to_bytes(8))
        return int.from_bytes(state.digest())

    def forward(self, counter: int) -> int:
        """Map a counter to its place. Raises ValueError outside 0 … 62**length − 1."""
        if not 0 <= counter < self.size:
            raise ValueError(f"{counter} is outside the domain")
        left, right = divmod(counter, self._right)
        for turn in range(0, ROUNDS, 2):
            left = (left + self._noise(turn, right)) % self._left
            right = (right + self._noise(turn + 1, left)) % self._right
        return left * self._right + right

    def backward(self, place: int) -> int:
        """The counter that `forward` maps to this place."""
        if not 0 <= place < self.size:
            raise ValueError(f"{place} is outside the domain")
        left, right = divmod(place, self._right)
        for turn in range(ROUNDS - 2, -1, -2):
            right = (right - self._noise(turn + 1, left)) % self._right
            left = (left - self._noise(turn, right)) % self._left
        return left * self._right + right


# Stems, compared after digits are read as the letters they imitate. A code is random, so a stem in the list
# only costs a skipped counter; a missing one costs somebody an embarrassing link.
_OFFENSIVE = re.compile(
    "anal|anus|arse|ass|balls|bastard|bitch|blow|boob|bugger|bollo|cock|coon|crap|cum|cunt|damn|dick|dildo|dyke|fag|"
    "faggot|fap|fanny|fick|fuck|fuk|fotz|gook|hitler|homo|hure|jap|jerk|jizz|kike|kkk|merde|milf|muff|mierd|nazi|negro|"
    "nigg|niga|nutte|orgy|paki|pedo|penis|piss|poop|porn|prick|pube|puss|puta|puto|queer|rape|rapist|rectum|satan|"
    "schlampe|scrotum|semen|sex|shag|shit|sht|slut|smut|spast|spic|sperm|suck|teets|testi|tits|titt|turd|twat|vagina|"
    "wank|whore|wichs|wtf|xxx"
)
_LEET = str.maketrans("0134578@$", "oieastbas")
_LEET_L = str.maketrans("0134578@$", "oleastbas")


def is_offensive(code: str) -> bool:
    """Whether a code can be read as containing a word that nobody wants in their link."""
    lower = code.lower()
    return bool(
        _OFFENSIVE.search(lower)
        or _OFFENSIVE.search(lower.translate(_LEET))
        or _OFFENSIVE.search(lower.translate(_LEET_L))
    )


def is_readable(code: str) -> bool:
    """Whether a code has no character that is mistaken for another on paper."""
    return READABLE.issuperset(code)


# The characters in each group pass for one another when a code is copied by hand.
_LOOKALIKES = ("0Oo", "1lIi", "5Ss", "2Zz", "8B", "9gq", "6b", "uv", "UV")
_SWAPS = {character: group for group in _LOOKALIKES for character in group}


def lookalikes(code: str, *, limit: int = 64) -> list[str]:
    """Codes that `code` may have been meant to be, fewest swapped characters first, itself left out.

    At most `limit` are made, however many a code of only look-alikes would have.
    """
    found: dict[str, None] = {code: None}
    frontier = [(code, 0)]
    while frontier and len(found) <= limit:
        following: list[tuple[str, int]] = []
        for text, start in frontier:
            for at in range(start, len(text)):
                for other in _SWAPS.get(text[at], ""):
                    swapped = text[:at] + other + text[at + 1 :]
                    if swapped not in found:
                        found[swapped] = None
                        following.append((swapped, at + 1))
                if len(found) > limit:
                    return list(found)[1 : limit + 1]
        frontier = following
    return list(found)[1 : limit + 1]


class Lease(NamedTuple):
    """The RANGE_SIZE counters from `start` of the codes with `length` characters."""

    length: int
    start: int


class RangeSource(Protocol):
    """Where ranges come from. Shared by all processes of an installation."""

    def lease(self, at_least: int) -> Lease:
        """Hand out a range that nobody was or will be given, of `at_least` characters or more.

        The advance must be durable before this returns, and independent of the caller's unit of work: a range
        that is rolled back and given out again would repeat codes. Raises Unavailable.
        """
        ...


def growing_length(next_counters: Mapping[int, int], at_least: int) -> int:
    """The length to lease from, given the next counter of each: the first from `at_least` on with room.

    Raises ValueError when even the longest is used up.
    """
    for length in range(max(at_least, MIN_LENGTH), MAX_LENGTH + 1):
        leased = next_counters.get(length, 0)
        if leased < GROWTH_SHARE * 62**length and leased + RANGE_SIZE <= 62**length:
            return length
    raise ValueError("all codes are used up")


def keys_left(next_counter: int, length: int) -> float:
    """The share, 0 to 1, of a length's codes that may still be leased before it grows."""
    return max(0.0, 1 - next_counter / (GROWTH_SHARE * float(62**length)))


class Leases:
    """Hands out codes of one process from ranges leased as needed. Thread-safe.

    Readable codes are drawn from the same counters as all others of their length: what is not readable is
    kept for callers who do not mind. So the two styles cannot collide either.
    """

    def __init__(self, source: RangeSource, key: bytes, *, unwanted: Callable[[str], bool] = is_offensive) -> None:
        self._source = source
        self._key = key
        self._unwanted = unwanted
        self._lock = threading.Lock()
        self._bijections: dict[int, Bijection] = {}
        self._ranges: dict[int, deque[tuple[int, int, int]]] = {}
        self._spare: dict[int, deque[str]] = {}

    def next_code(self, length: int = DEFAULT_LENGTH) -> str:
        """A fresh code of `length` characters, or more once that length has grown.

        Leases a range when none is left, which calls the source; see `top_up`.
        """
        with self._lock:
            spare = self._spare.get(length)
            return spare.popleft() if spare else self._draw(length)

    def next_readable(self, length: int = READABLE_LENGTH) -> str:
        """A fresh code without characters that look alike. About every second counter gives one."""
        with self._lock:
            spare = self._spare.setdefault(length, deque(maxlen=RANGE_SIZE))
            while not is_readable(code := self._draw(length)):
                spare.append(code)
            return code

    def top_up(self, length: int = DEFAULT_LENGTH) -> None:
        """Lease ahead when less than half a range is left.

        Callers that draw codes where they must not wait (inside a unit of work) call this before.
        """
        with self._lock:
            if self._left(length) < RANGE_SIZE // 2:
                self._lease(length)

    def _left(self, length: int) -> int:
        return sum(end - at for _, at, end in self._ranges.get(length, ()))

    def _lease(self, length: int) -> None:
        lease = self._source.lease(length)
        self._ranges.setdefault(length, deque()).append((lease.length, lease.start, lease.start + RANGE_SIZE))

    def _draw(self, length: int) -> str:
        while True:
            ranges = self._ranges.get(length)
            if not ranges:
                self._lease(length)
                continue
            actual, at, end = ranges.popleft()
            if at + 1 < end:
                ranges.appendleft((actual, at + 1, end))
            code = base62(self._bijection(actual).forward(at), actual)
            if code.lower() not in RESERVED and not self._unwanted(code):
                return code

    def _bijection(self, length: int) -> Bijection:
        found = self._bijections.get(length)
        if found is None:
            found = self._bijections[length] = Bijection(self._key, length)
        return found
