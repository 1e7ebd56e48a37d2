"""Samples as people hand them in and take them out: a JSON array, JSON Lines or CSV, judged line by line.

Files are read as they lie on disk, a line at a time: what one costs in memory does not depend on its size.
"""

import codecs
import csv
import io
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import BinaryIO

import orjson
from pydantic import ValidationError

from spectral_platform.core.values import Value
from spectral_platform.samples.content import SampleContent
from spectral_platform.samples.errors import SampleFileUnreadable

PLAIN_COLUMNS = ("input", "expected_output", "context", "source_trace_id", "weight")
VARIABLE_COLUMN, METADATA_COLUMN, TAGS_COLUMN = "input.", "metadata.", "tags"
WEIGHT_COLUMN = "weight"
JSON_COLUMNS = {"input_json": "input", "tags_json": "tags", "metadata_json": "metadata"}
WRITTEN_COLUMNS = ("input", "input_json", "expected_output", "context", "tags_json", "weight", "source_trace_id", "metadata_json")
LONGEST_LINE_BYTES = 4_000_000
"""The largest sample is shorter, however it is escaped."""
MOST_NAMED = 10
OTHER_ENCODINGS = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}

csv.field_size_limit(LONGEST_LINE_BYTES)  # the library's own limit would refuse a whole file for the sake of one long cell


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


def read_jsonl(file: BinaryIO) -> Iterator[Line]:
    """Judge a file with one JSON object a line; empty lines are passed over. Raises ``SampleFileUnreadable``."""
    _pass_over_mark(file)
    number = 0
    while line := file.readline(LONGEST_LINE_BYTES + 1):
        number += 1
        if len(line) > LONGEST_LINE_BYTES:
            yield RejectedLine(line=number, reason=f"longer than {LONGEST_LINE_BYTES} bytes")
            while line and not line.endswith(b"\n"):
                line = file.readline(LONGEST_LINE_BYTES)
        elif line.strip():
            try:
                item = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                yield RejectedLine(line=number, reason=f"not JSON: {error.msg}")
            else:
                yield _judge(number, item)


def read_csv(file: BinaryIO) -> Iterator[Line]:
    """Judge a CSV file with a header, in which an empty cell is an absent value.

    Columns: ``input``, or one ``input.<variable>`` for each variable; ``expected_output``, ``context``, ``source_trace_id``,
    ``weight``, ``tags`` (separated by commas) and ``metadata.<name>``. What text cannot say stands as JSON in ``input_json``,
    ``tags_json`` and ``metadata_json``. Raises ``SampleFileUnreadable`` for any other file.
    """
    _pass_over_mark(file)
    decoded = _Decoded(file)
    reader = csv.reader(decoded, strict=True)
    try:
        header = next(reader, [])
        _check_header(header)
        decoded.row_bytes = 0
        start = reader.line_num + 1
        for cells in reader:
            if len(cells) > len(header):
                yield RejectedLine(line=start, reason=f"{len(cells)} cells under {len(header)} columns")
            elif any(cells):
                yield _judge_row(start, dict(zip(header, cells, strict=False)))
            decoded.row_bytes = 0
            start = reader.line_num + 1
    except UnicodeDecodeError as error:
        raise SampleFileUnreadable(f"it is not UTF-8, near line {reader.line_num + 1}") from error
    except csv.Error as error:
        # Where the quoting is broken nobody can tell at which line the next sample begins.
        raise SampleFileUnreadable(f"{error}, near line {reader.line_num}") from error


def write_csv(contents: Iterable[SampleContent], *, header: bool) -> bytes:
    """Samples as rows that ``read_csv`` reads as the same samples."""
    written = io.StringIO()
    writer = csv.writer(written)
    if header:
        writer.writerow(WRITTEN_COLUMNS)
    for content in contents:
        is_text = isinstance(content.input, str)
        row = {
            "input": content.input if is_text else "",
            "input_json": "" if is_text else orjson.dumps(content.input).decode(),
            "expected_output": content.expected_output or "",
            "context": content.context or "",
            "tags_json": orjson.dumps(content.tags).decode() if content.tags else "",
            "weight": repr(content.weight),
            "source_trace_id": content.source_trace_id or "",
            "metadata_json": orjson.dumps(content.metadata).decode() if content.metadata else "",
        }
        writer.writerow(row[column] for column in WRITTEN_COLUMNS)
    return written.getvalue().encode()


def _pass_over_mark(file: BinaryIO) -> None:
    """Go to the beginning, behind the byte order mark of UTF-8. Raises ``SampleFileUnreadable`` for another encoding's."""
    file.seek(0)
    beginning = file.read(len(codecs.BOM_UTF8))
    for mark, encoding in OTHER_ENCODINGS.items():
        if beginning.startswith(mark):
            raise SampleFileUnreadable(f"it is {encoding}; save it as UTF-8")
    if beginning != codecs.BOM_UTF8:
        file.seek(0)


class _Decoded:
    """The lines of a file as text. A row takes several when its cells have line ends; ``row_bytes`` counts those of one row."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.row_bytes = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._file.readline(LONGEST_LINE_BYTES + 1)
        if not line:
            raise StopIteration
        self.row_bytes += len(line)
        if self.row_bytes > LONGEST_LINE_BYTES:
            raise SampleFileUnreadable(f"it has a row longer than {LONGEST_LINE_BYTES} bytes")
        return line.decode()


def _check_header(header: list[str]) -> None:
    unknown = [
        name
        for name in header
        if name not in (*PLAIN_COLUMNS, *JSON_COLUMNS, TAGS_COLUMN) and not name.startswith((VARIABLE_COLUMN, METADATA_COLUMN))
    ]
    if unknown:
        raise SampleFileUnreadable(f"its columns {', '.join(repr(name) for name in unknown[:MOST_NAMED])} are not known")
    if len(set(header)) != len(header):
        raise SampleFileUnreadable("a column is there twice")
    variables = any(name.startswith(VARIABLE_COLUMN) for name in header)
    if (variables and "input" in header) or not (variables or "input" in header or "input_json" in header):
        raise SampleFileUnreadable("it needs either a column 'input' or columns 'input.<variable>'")


def _judge_row(line: int, row: dict[str, str]) -> Line:
    given = {name: cell for name, cell in row.items() if cell}
    item = _assemble(given)
    for column, field in JSON_COLUMNS.items():
        if column not in given:
            continue
        if field in item:
            return RejectedLine(line=line, reason=f"{column}: its value stands in another column as well")
        try:
            item[field] = orjson.loads(given[column])
        except orjson.JSONDecodeError as error:
            return RejectedLine(line=line, reason=f"{column}: not JSON: {error.msg}")
    return _judge(line, item)


def _assemble(given: dict[str, str]) -> dict[str, object]:
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
