"""Cassettes: files of what models were asked and answered, recorded from real providers and replayed in their place.

A line of JSON is one question with its answer, found again by the hash of everything in the question. What a cassette does not
hold is an error that names the question: nobody else is asked, so that a test that passed cannot have called a provider.
"""

import fcntl
import os
from collections.abc import Iterator
from decimal import Decimal
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import BinaryIO, Literal

from pydantic import ValidationError

from spectral_platform.core.crypto import content_digest
from spectral_platform.core.values import Value
from spectral_platform.llm.errors import CassetteMiss, CassetteUnreadable
from spectral_platform.llm.messages import ModelAnswer, ModelRequest
from spectral_platform.llm.providers.availability import REPLAY

FORMAT: Literal[1] = 1
QUOTED = 120
"""Characters of a question that are enough to know it by."""


class Recorded(Value):
    """One line of a cassette. ``cost_usd`` is what the answer cost when it was recorded; None = nobody could tell."""

    format: Literal[1] = FORMAT
    key: str
    provider: str
    request: ModelRequest
    answer: ModelAnswer
    cost_usd: Decimal | None


class Recorder:
    """Adds what was answered to a cassette; several processes may record on one."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def record(self, provider: str, request: ModelRequest, answer: ModelAnswer, cost_usd: Decimal | None) -> None:
        """Add one answer. The file is its owner's alone: it holds prompts and answers in the clear."""
        line = Recorded(key=question_key(request), provider=provider, request=request, answer=answer, cost_usd=cost_usd)
        content = line.model_dump_json(exclude_defaults=True).encode() + b"\n"
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "rb+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(_end_of_lines(file))
            file.write(content)
            file.truncate()


def _end_of_lines(file: BinaryIO) -> int:
    """Where the next line begins; what a crash or a full disk left of the last one is written over."""
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        return 0
    with mmap(file.fileno(), size, access=ACCESS_READ) as content:
        return content.rfind(b"\n") + 1


class ReplayProvider:
    """Answers from a cassette, in place of every real provider."""

    name = REPLAY
    is_simulated = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self._answers = {line.key: line for line in read_cassette(path)}

    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """What was answered when this was asked. Raises ``CassetteMiss``."""
        line = self._answers.get(question_key(request))
        if line is None:
            asked = request.messages[-1].content if request.messages else ""
            raise CassetteMiss(self._path.name, model=request.model, key=question_key(request), asked=repr(asked[:QUOTED]))
        return line.answer.model_copy(update={"cost_usd": line.cost_usd})


def question_key(request: ModelRequest) -> str:
    """The identity of a question wherever it is asked: which of a server's secrets go with it is left out."""
    return content_digest(request.model_dump_json(exclude={"endpoint": {"headers_id"}}))


def read_cassette(path: Path) -> Iterator[Recorded]:
    """The lines of a cassette; a last line that a crash cut off is none. Raises ``CassetteUnreadable``."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise CassetteUnreadable(path.name, f"{type(error).__name__}") from error
    for number, line in enumerate(lines[:-1], 1):
        try:
            yield Recorded.model_validate_json(line)
        except ValidationError as error:
            raise CassetteUnreadable(path.name, f"line {number} is no recorded answer") from error
