"""Makes the demo's samples from its knowledge: `python -m spectral_platform.demo.sample_builder > samples.jsonl`.

The result is packaged, so that the demo's data never depends on how a version of Python shuffles.
"""

import importlib.resources
import random
import sys
from typing import Any

import orjson
import yaml

from spectral_platform.core.randomness import generator

SEED = 20_260
SAMPLES_PER_ARTICLE = 7
ARTICLES_SHOWN = 3
PERSONAL_SHARE = 0.42


def build_samples(per_article: int = SAMPLES_PER_ARTICLE) -> bytes:
    """All samples as JSON lines: input, context, expected output where an article has the answer, and tags."""
    knowledge = yaml.safe_load((importlib.resources.files("spectral_platform.demo") / "knowledge.yaml").read_text("utf-8"))
    draw = generator(SEED, "demo samples")
    rows = []
    for article in knowledge["articles"]:
        for number in range(per_article):
            question = article["questions"][number % len(article["questions"])]
            # The plain question is asked once; asked again, it comes with a story of the customer's own.
            rows.append(_sample(knowledge, draw, question, article, has_detail=number >= len(article["questions"])))
    rows += [_sample(knowledge, draw, question, None, has_detail=False) for question in knowledge["missing"]]
    draw.shuffle(rows)
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


def _sample(
    knowledge: dict[str, Any], draw: random.Random, question: str, article: dict[str, Any] | None, *, has_detail: bool
) -> dict[str, Any]:
    shown = draw.sample([other for other in knowledge["articles"] if other is not article], ARTICLES_SHOWN)
    if article is not None:
        shown[draw.randrange(ARTICLES_SHOWN)] = article
    tags = [article["title"].lower().replace(" ", "-") if article else "missing-article"]
    parts = [draw.choice(knowledge["openers"]) + question]
    if has_detail or draw.random() < 0.4:
        parts.append(_fill(draw.choice(knowledge["details"]), knowledge, draw))
    if draw.random() < PERSONAL_SHARE:
        kind = draw.choices(("email", "card", "phone", "iban"), weights=(4, 4, 2, 1))[0]
        parts.append(_fill(draw.choice(knowledge["personal"][kind]), knowledge, draw))
        tags.append("personal-data")
    row = {
        "input": " ".join(parts),
        "context": "\n".join(f"[{each['id']}] {each['title']}: {' '.join(each['sentences'])}" for each in shown),
        "tags": tags,
    }
    if article is not None:
        row["expected_output"] = " ".join(article["sentences"])
    return row


def _fill(text: str, knowledge: dict[str, Any], draw: random.Random) -> str:
    values = {name: draw.choice(options) for name, options in knowledge["slots"].items()}
    values |= {
        "order": str(draw.randrange(20_000_000, 99_999_999)),
        "year": str(draw.randrange(2011, 2025)),
        "people": str(draw.randrange(3, 12)),
        "email": f"{values['name'].lower()}.{draw.randrange(10, 99)}@example.com",
        "phone": f"+47 {draw.randrange(200, 999)} {draw.randrange(10, 99)} {draw.randrange(100, 999)}",
        "card": _card_number(draw),
        "iban": _iban(draw),
    }
    return text.format(**values)


def _card_number(draw: random.Random) -> str:
    """A number in the range of test cards, with the right last digit (Luhn)."""
    digits = [4, 0, 0, 0, 0, 0] + [draw.randrange(10) for _ in range(9)]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[::-2]]
    check = -(sum(doubled) + sum(digits[-2::-2])) % 10
    text = "".join(map(str, [*digits, check]))
    return " ".join(text[start : start + 4] for start in range(0, 16, 4))


def _iban(draw: random.Random) -> str:
    """An account number of a bank that does not exist, with the right check digits (ISO 13616)."""
    account = "99990000" + "".join(str(draw.randrange(10)) for _ in range(10))
    check = 98 - int(account + "131400") % 97  # D = 13, E = 14
    text = f"DE{check:02d}{account}"
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


if __name__ == "__main__":
    sys.stdout.buffer.write(build_samples())
