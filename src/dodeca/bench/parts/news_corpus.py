"""A corpus of any size for news: stories of the last month and their comments, in words as rare as real ones."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from itertools import accumulate, product
from pathlib import Path
from typing import Any, Final

import msgspec

THREAD: Final = 2000
AUTHORS: Final = 10_000
SPAN_SECONDS: Final = 30 * 86400
WORDS_OF_TEXT: Final = 24
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
    """Stories 1 … N and their comments; the last story has a thread of 2,000."""
    generator = random.Random(7)  # noqa: S311 - repeatable data
    vocabulary, now = Vocabulary(), int(time.time())
    with file.open("wb") as out:
        for number in range(1, stories + 1):
            story = {
                "id": number,
                "type": "story",
                "by": f"author{generator.randrange(AUTHORS)}",
                "time": now - int(SPAN_SECONDS * (1 - number / stories)) - 60,
                "title": f"{vocabulary.text(generator, 6).capitalize()} {number}",
                "url": f"https://site{number % 5000}.example.com/{number}",
                "score": int(generator.paretovariate(1.1)),
            }
            out.write(msgspec.json.encode(story) + b"\n")
        for number in range(stories + 1, stories + comments + 1):
            out.write(msgspec.json.encode(_comment(generator, vocabulary, number, stories, now)) + b"\n")


def _comment(generator: random.Random, vocabulary: Vocabulary, number: int, stories: int, now: int) -> dict[str, Any]:
    in_thread = number <= stories + THREAD
    parent = stories if in_thread else generator.randint(1, stories - 1)
    if in_thread and number > stories + 1 and generator.random() < 0.7:
        parent = generator.randint(max(stories + 1, number - 200), number - 1)
    return {
        "id": number,
        "type": "comment",
        "by": f"author{generator.randrange(AUTHORS)}",
        "time": now - generator.randrange(60, SPAN_SECONDS),
        "parent": parent,
        "text": vocabulary.text(generator, WORDS_OF_TEXT),
    }


def queries(count: int) -> Sequence[str]:
    """What is searched for."""
    generator, vocabulary = random.Random(11), Vocabulary()  # noqa: S311 - repeatable data
    return [vocabulary.query(generator) for _ in range(count)]
