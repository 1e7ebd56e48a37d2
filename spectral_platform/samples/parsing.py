"""Samples as people hand them in: a JSON array, JSON Lines or CSV, judged line by line."""

import csv
import io
from collections.abc import Iterable, Iterator
from contextlib import suppress

import orjson
from pydantic import ValidationError

from spectral_platform.core.values import Value
from spectral_platform.samples.content import SampleContent
from spectral_platform.samples.errors import SampleFileUnreadable

PLAIN_COLUMNS = ("input", "expected_output", "context", "source_trace_id", "weight")
VARIABLE_COLUMN, METADATA_COLUMN, TAGS_COLUMN = "input.", "metadata.", "tags"
WEIGHT_COLUMN = "weight"


class AcceptedLine(Value):
    """A line that is a sample; the first line is 1."""

    line: int
    content: SampleContent


class RejectedLine(Value):
    """A line that was not stored, and why."""

    line: int
    reason: str


Line = AcceptedLine | RejectedLine


def read_array(items: Iterable[object]) -> Iterator[Line]:
    """Judge the items of a JSON array; the first one is line 1."""
    return (_judge(number, item) for number, item in enumerate(items, start=1))


def read_jsonl(file: bytes) -> Iterator[Line]:
    """Judge a file with one JSON object a line; empty lines are passed over."""
    for number, line in enumerate(file.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            item = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            yield RejectedLine(line=number, reason=f"not JSON: {error.msg}")
        else:
            yield _judge(number, item)


def read_csv(file: bytes) -> Iterator[Line]:
    """Judge a CSV file with a header, in which an empty cell is an absent value.

    Columns: ``input``, or one ``input.<variable>`` for each variable; ``expected_output``, ``context``, ``source_trace_id``,
    ``weight``, ``tags`` (separated by commas) and ``metadata.<name>``. Raises ``SampleFileUnreadable`` for any other file.
    """
    try:
        text = file.decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        header = next(reader, [])
        _check_header(header)
        start = reader.line_num + 1
        for cells in reader:
            if len(cells) > len(header):
                yield RejectedLine(line=start, reason=f"{len(cells)} cells under {len(header)} columns")
            elif any(cells):
                yield _judge(start, _assemble(dict(zip(header, cells, strict=False))))
            start = reader.line_num + 1
    except UnicodeDecodeError as error:
        raise SampleFileUnreadable("it is not UTF-8") from error
    except csv.Error as error:
        # Where the quoting is broken nobody can tell at which line the next sample begins.
        raise SampleFileUnreadable(f"{error}, near line {reader.line_num}") from error


def _check_header(header: list[str]) -> None:
    unknown = [
        name
        for name in header
        if name not in (*PLAIN_COLUMNS, TAGS_COLUMN) and not name.startswith((VARIABLE_COLUMN, METADATA_COLUMN))
    ]
    if unknown:
        raise SampleFileUnreadable(f"its columns {', '.join(repr(name) for name in unknown)} are not known")
    if len(set(header)) != len(header):
        raise SampleFileUnreadable("a column is there twice")
    variables = any(name.startswith(VARIABLE_COLUMN) for name in header)
    if variables is ("input" in header):
        raise SampleFileUnreadable("it needs either a column 'input' or columns 'input.<variable>'")


def _assemble(row: dict[str, str]) -> dict[str, object]:
    given = {name: cell for name, cell in row.items() if cell}
    item: dict[str, object] = {name: cell for name, cell in given.items() if name in PLAIN_COLUMNS}
    for prefix, field in ((VARIABLE_COLUMN, "input"), (METADATA_COLUMN, "metadata")):
        if members := {name.removeprefix(prefix): cell for name, cell in given.items() if name.startswith(prefix)}:
            item[field] = members
    if TAGS_COLUMN in given:
        item["tags"] = [tag.strip() for tag in given[TAGS_COLUMN].split(",") if tag.strip()]
    if WEIGHT_COLUMN in given:
        with suppress(ValueError):  # what is no number is judged with the rest
            item["weight"] = float(given[WEIGHT_COLUMN])
    return item


def _judge(line: int, item: object) -> Line:
    try:
        return AcceptedLine(line=line, content=SampleContent.model_validate(item))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        reasons = [": ".join(filter(None, (".".join(map(str, fault["loc"])), fault["msg"]))) for fault in faults]
        return RejectedLine(line=line, reason="; ".join(reasons))
