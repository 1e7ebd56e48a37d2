"""Values to fill templates with: real prose, names, dates and the like, drawn at random."""

import random
import re
from functools import cache
from pathlib import Path
from pydoc_data.topics import topics

ROOT = Path(__file__).parents[2]
NAMES = [
    "Ann Lee",
    "Bob Stone",
    "Chidi Okafor",
    "Dana Weiss",
    "Emre Yıldız",
    "Fatima Zahra",
    "Grace Hopper",
    "Hiro Tanaka",
    "Inés Peña",
    "Jürgen Groß",
]
LANGUAGES = ["English", "German", "French", "Dutch", "Spanish", "Italian", "Polish", "Turkish", "Czech", "Japanese"]
PRODUCTS = [
    "Falcon 2",
    "Heron X",
    "kettle",
    "router AX-300",
    "standing desk",
    "running shoes",
    "e-bike",
    "sleeping bag",
    "coffee grinder",
]
CITIES = ["Berlin", "New York", "São Paulo", "Lagos", "Kyoto", "Rotterdam", "San Francisco", "Oslo", "Cape Town", "Reykjavík"]


@cache
def sentences(source: str) -> tuple[str, ...]:
    """Sentences of this repository's own pages, or of Python's reference."""
    if source == "pages":
        text = "\n\n".join(path.read_text() for path in sorted((ROOT / "docs").rglob("*.md")) if path.name != "benchmarks.md")
    else:
        text = "\n\n".join(topics.values())
    parts = re.split(r"(?<=[.!?])\s+|\n\s*\n", text)
    clean = (re.sub(r"\s+", " ", part).strip("-*#> ") for part in parts)
    return tuple(part for part in clean if 20 < len(part) < 300)


class Words:
    """Random values from one source of prose."""

    def __init__(self, seed: int, source: str) -> None:
        self.random = random.Random(seed)
        self._sentences = sentences(source)

    def sentence(self) -> str:
        """One sentence."""
        return self.random.choice(self._sentences)

    def prose(self, fewest: int, most: int) -> str:
        """Some sentences in a row, of one place in the source."""
        count = self.random.randint(fewest, most)
        start = self.random.randrange(len(self._sentences) - count)
        return " ".join(self._sentences[start : start + count])

    def paragraphs(self, fewest: int, most: int) -> str:
        """Some paragraphs."""
        return "\n\n".join(self.prose(1, 4) for _ in range(self.random.randint(fewest, most)))

    def phrase(self, fewest: int = 2, most: int = 5) -> str:
        """A few words from within a sentence."""
        words = self.sentence().rstrip(".").split()
        count = min(len(words), self.random.randint(fewest, most))
        start = self.random.randrange(len(words) - count + 1)
        return " ".join(words[start : start + count]).strip(",;:()\"'")

    def question(self) -> str:
        """A question, as somebody types it: with or without a mark at its end."""
        start = self.random.choice(
            (
                "What is",
                "How do I use",
                "Why does",
                "Where can I find",
                "Can you explain",
                "Is there",
                "when should I",
                "tell me about",
            )
        )
        return f"{start} {self.phrase(2, 8)}{self.random.choice(('?', '?', '?', '', ' please'))}"

    def one_of(self, *values: str) -> str:
        """One of these."""
        return self.random.choice(values)

    def name(self) -> str:
        """A person."""
        return self.random.choice(NAMES)

    def date(self) -> str:
        """A day."""
        return f"{self.random.randint(2024, 2026)}-{self.random.randint(1, 12):02}-{self.random.randint(1, 28):02}"

    def number(self, most: int = 1_000) -> str:
        """A number."""
        return str(self.random.randint(1, most))

    def identifier(self) -> str:
        """The number of an order or a ticket."""
        return f"{self.random.choice(('ORD', 'INV', 'T'))}-{self.random.randint(1000, 99999)}"

    def chance(self, share: float) -> bool:
        """Whether something happens."""
        return self.random.random() < share
