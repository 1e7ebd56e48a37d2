"""Worked examples of a page: requests with what they are answered, to be carried out in the page's order."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLE = re.compile(r"```http\n(?P<request>.*?)```\n\n```json\n(?P<answer>.*?)```", re.DOTALL)
NAME = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class WorkedExample:
    """A request, and the parts of its answer that the page shows."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    answer: Any


def examples(page: str) -> Iterator[WorkedExample]:
    """The examples of a page, in order."""
    for found in EXAMPLE.finditer((DOCS / page).read_text()):
        start, *lines = found["request"].splitlines()
        method, path = start.split(" ")
        headers = dict(line.split(": ", 1) for line in lines if re.match(r"[A-Z][\w-]+: ", line))
        body = "\n".join(line for line in lines if not re.match(r"[A-Z][\w-]+: ", line))
        yield WorkedExample(method, path, headers, json.loads(body) if body else None, json.loads(found["answer"]))


async def carry_out(example: WorkedExample, client: httpx.AsyncClient, workspace: str, known: dict[str, str]) -> None:
    """Send the request and compare. A name in braces that nobody has told yet is told by the answer."""
    body = None if example.body is None else json.loads(_filled(json.dumps(example.body), known))
    answer = await client.request(example.method, workspace + _filled(example.path, known), headers=example.headers, json=body)
    assert answer.is_success, f"{example.method} {example.path}: {answer.text}"
    _compare(example.answer, answer.json(), known, f"{example.method} {example.path}")


def _filled(text: str, known: dict[str, str]) -> str:
    return NAME.sub(lambda name: known.get(name[1], name[0]), text)


def _compare(shown: Any, told: Any, known: dict[str, str], place: str) -> None:
    """Every part that is shown is as it is told; numbers to nine digits."""
    if isinstance(shown, dict):
        assert isinstance(told, dict), place
        for key, value in shown.items():
            assert key in told, f"{place}.{key}"
            _compare(value, told[key], known, f"{place}.{key}")
    elif isinstance(shown, list):
        assert len(shown) == len(told), f"{place}: {told}"
        for number, (one, other) in enumerate(zip(shown, told, strict=True)):
            _compare(one, other, known, f"{place}[{number}]")
    elif isinstance(shown, str) and (name := NAME.fullmatch(shown)):
        assert known.setdefault(name[1], told) == told, place
    elif isinstance(shown, float):
        assert told == pytest.approx(shown), place
    else:
        assert told == shown, place
