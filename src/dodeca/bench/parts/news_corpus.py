"""A corpus of any size for news: stories of the last month and their comments, in words as rare as real ones."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from itertools import accumulate, product
from pathlib import Path
from typing import Final

import msgspec

THREAD: Final = 2000
AUTHORS: Final = 10_000
SPAN_SECONDS: Final = 30 * 86400
WORDS_OF_TEXT: Final = 24
DISCUSSED_PART: Final = 10
"""A story is discussed for about a tenth of the time: three days."""
_CONSONANTS: Final = "bdfghklmnprstwz"
_VOWELS: Final = "aeiou"


class Vocabulary:
    """Words by their rank; the n-th is used about 1/n as often as the first (Zipf's law)."""

    def __init__(self) -> None:
        syllables = [first + second for first, second in product(_CONSONANTS, _VOWELS)]
        self.words = ["".join(parts) for parts in product(syllables[::3], repeat=3)]
        random.Random(3).shuffle(self.words)  # noqa: S311 - repeatable data
        self._weights = list(accumulate(1 / (rank + 8) for rank in range(len(self.words))))

    def text(self, generator: random.Random, count: int) -> str:
        """So many words."""
        return " ".join(generator.choices(self.words, cum_weights=self._weights, k=count))

    def query(self, generator: random.Random) -> str:
        """Two words of the kind that people search for: neither the commonest nor the rarest."""
        return " ".join(generator.choices(self.words[30:2000], k=2))


def write_corpus(file: Path, stories: int, comments: int) -> None:
    """Stories 1 … N and their comments, both in the order of time; the last story has a thread of 2,000."""
    generator = random.Random(7)  # noqa: S311 - repeatable data
    vocabulary, now = Vocabulary(), int(time.time())
    with file.open("wb") as out:
        for number in range(1, stories + 1):
            story = {
                "id": number,
                "type": "story",
                "by": f"author{generator.randrange(AUTHORS)}",
                "time": _moment(now, number / stories),
                "title": f"{vocabulary.text(generator, 6).capitalize()} {number}",
                "url": f"https://site{number % 5000}.example.com/{number}",
                "score": int(generator.paretovariate(1.1)),
            }
            out.write(msgspec.json.encode(story) + b"\n")
        for number in range(1, comments + 1):
            comment = {
                "id": stories + number,
                "type": "comment",
                "by": f"author{generator.randrange(AUTHORS)}",
                "time": _moment(now, number / comments),
                "parent": _parent(generator, number, stories, comments),
                "text": vocabulary.text(generator, WORDS_OF_TEXT),
            }
            out.write(msgspec.json.encode(comment) + b"\n")


def _moment(now: int, part: float) -> int:
    return now - int(SPAN_SECONDS * (1 - part)) - 60


def _parent(generator: random.Random, number: int, stories: int, comments: int) -> int:
    """What the comment with this number answers: a story of the days before it, or a comment shortly before it in the
    long thread."""
    first = comments - THREAD
    if number <= first:
        newest = max(1, (stories - 1) * number // comments)
        return generator.randint(max(1, newest - stories // DISCUSSED_PART), newest)
    if number > first + 1 and generator.random() < 0.7:
        return stories + generator.randint(max(first + 1, number - 200), number - 1)
    return stories


def queries(count: int) -> Sequence[str]:
    """What is searched for."""
    generator, vocabulary = random.Random(11), Vocabulary()  # noqa: S311 - repeatable data
    return [vocabulary.query(generator) for _ in range(count)]
