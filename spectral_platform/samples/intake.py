"""What becomes of lines on their way into a set: some are stored, and of the others is said why not, in bounded memory."""

from collections.abc import Collection, Iterable, Iterator, Sequence

from spectral_platform.core.values import Value
from spectral_platform.samples.content import SampleContent
from spectral_platform.samples.parsing import AcceptedLine, Line, RejectedLine

LARGEST_SET = 10_000
MOST_NAMED = 1_000
LINES_AT_ONCE = 200
CHARACTERS_AT_ONCE = 2_000_000


class Addition(Value):
    """What became of the lines that were handed in; of very many that were rejected the first ones are named."""

    created: int
    rejected: tuple[RejectedLine, ...]
    rejected_count: int


class Intake:
    """Lines that come in for a set with so much room. ``lines_of`` remembers, for each content, the line that had it first."""

    def __init__(self, room: int) -> None:
        self._room = room
        self.lines_of: dict[str, int] = {}
        self.created = 0
        self.rejected_count = 0
        self._rejected: list[RejectedLine] = []

    @property
    def addition(self) -> Addition:
        """What became of the lines so far."""
        return Addition(created=self.created, rejected=tuple(self._rejected), rejected_count=self.rejected_count)

    def admit(self, lines: Sequence[Line], known: Collection[str]) -> list[SampleContent]:
        """Those of the lines that are to be stored. ``known`` are the contents among them that the set had before."""
        admitted = []
        for line in lines:
            if isinstance(line, RejectedLine):
                self._refuse(line.line, line.reason)
                continue
            content_hash = line.content.content_hash
            if (earlier := self.lines_of.get(content_hash)) is not None:
                self._refuse(line.line, f"the same sample as line {earlier}")
            elif content_hash in known:
                self._refuse(line.line, "the set has this sample already")
            elif self.created == self._room:
                self._refuse(line.line, f"the set is full: it holds {LARGEST_SET} samples")
            else:
                self.lines_of[content_hash] = line.line
                self.created += 1
                admitted.append(line.content)
        return admitted

    def _refuse(self, line: int, reason: str) -> None:
        self.rejected_count += 1
        if len(self._rejected) < MOST_NAMED:
            self._rejected.append(RejectedLine(line=line, reason=reason))


def in_batches(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """The lines, some at a time: not too many, and not too much text."""
    batch: list[Line] = []
    characters = 0
    for line in lines:
        batch.append(line)
        characters += _length(line)
        if len(batch) == LINES_AT_ONCE or characters >= CHARACTERS_AT_ONCE:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _length(line: Line) -> int:
    """About how much text a line holds."""
    if not isinstance(line, AcceptedLine):
        return 0
    content = line.content
    texts = (content.input if isinstance(content.input, str) else content.input_text, content.expected_output, content.context)
    return sum(len(text) for text in texts if text is not None)
