"""Samples as files."""

from io import BytesIO
from typing import Any

import pytest

from spectral_platform.samples import parsing
from spectral_platform.samples.content import LONGEST_TEXT, SampleContent
from spectral_platform.samples.errors import SampleFileUnreadable
from spectral_platform.samples.parsing import AcceptedLine, Line, RejectedLine, read_array, read_csv, read_jsonl, write_csv


def contents(lines: list[Line]) -> dict[int, SampleContent]:
    return {line.line: line.content for line in lines if isinstance(line, AcceptedLine)}


def reasons(lines: list[Line]) -> dict[int, str]:
    return {line.line: line.reason for line in lines if isinstance(line, RejectedLine)}


def test_a_bad_line_of_jsonl_does_not_refuse_the_others() -> None:
    file = b'\xef\xbb\xbf{"input": "one"}\r\n\n{"input": \n{"input": {"name": "Ada"}, "weight": 2}\n[]\n'

    lines = list(read_jsonl(BytesIO(file)))

    assert contents(lines) == {1: SampleContent(input="one"), 4: SampleContent(input={"name": "Ada"}, weight=2)}
    assert sorted(reasons(lines)) == [3, 5]
    assert reasons(lines)[3].startswith("not JSON")


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({}, "input: Field required"),
        ({"input": 3}, "input: Input should be text or an object of template variables"),
        ({"input": ""}, "input.text: String should have at least 1 character"),
        ({"input": "a\0b"}, "input.text: Value error, the character NUL cannot be stored"),
        ({"input": {"a": ["\ud800"]}}, "input.variables: Value error, lone surrogates cannot be stored"),
        ({"input": "a", "weight": 0}, "weight: Input should be greater than 0"),
        ({"input": "a", "weight": float("nan")}, "weight: Input should be a finite number"),
        ({"input": {"a": [float("inf")]}}, "input.variables: Value error, a number that is not finite cannot be stored"),
        ({"input": "a", "split": "train"}, "split: Extra inputs are not permitted"),
        ({"input": "a" * (LONGEST_TEXT + 1)}, f"input.text: String should have at most {LONGEST_TEXT} characters"),
        ({"input": "a", "metadata": {"a": "b" * 200_000}}, "metadata: Value error, larger than 200000 bytes"),
        ("text", "Input should be a valid dictionary or instance of SampleContent"),
    ],
)
def test_an_item_that_is_no_sample_is_rejected_with_the_reason(item: object, reason: str) -> None:
    assert reasons(list(read_array([item]))) == {1: reason}


def test_a_document_that_is_nested_too_deeply_is_rejected() -> None:
    document: dict[str, object] = {}
    for _ in range(150):
        document = {"deeper": document}

    assert "nested deeper" in reasons(list(read_array([{"input": "a", "metadata": document}])))[1]


def test_csv_columns_become_the_fields_of_samples() -> None:
    file = (
        "input,expected_output,tags,weight,metadata.source,context\n"
        'How long?,"Five days, usually","refund, time",2,phone,\n'
        "\n"
        '"Two\nlines",,,,,\n'
        "Bad,,,heavy,,\n"
        "a,b,c,1,d,e,f\n"
    )

    lines = list(read_csv(BytesIO(file.encode())))

    assert contents(lines) == {
        2: SampleContent(
            input="How long?",
            expected_output="Five days, usually",
            tags=("refund", "time"),
            weight=2,
            metadata={"source": "phone"},
        ),
        4: SampleContent(input="Two\nlines"),
    }
    assert reasons(lines)[6].startswith("weight: ")
    assert reasons(lines)[7] == "7 cells under 6 columns"


def test_csv_variables_become_an_input_object() -> None:
    lines = list(read_csv(BytesIO(b"input.name,input.city\nAda,London\n")))

    assert contents(lines) == {2: SampleContent(input={"name": "Ada", "city": "London"})}


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"question\nHow long?\n",
        b"input,input\na,b\n",
        b"input,input.name\na,b\n",
        b"expected_output\na\n",
        b"input\n\xff\xfe\n",
        b'input\n"never closed\n',
        b'input\n"' + b"x" * 4_000_001 + b'"\n',
        "input\nGrüße\n".encode("latin-1"),
        "input\na\n".encode("utf-16"),
        "input\na\n".encode("utf-16-le"),
    ],
)
def test_a_file_that_is_not_such_a_csv_is_refused_whole(file: bytes) -> None:
    with pytest.raises(SampleFileUnreadable):
        list(read_csv(BytesIO(file)))


def test_a_row_of_csv_is_bounded_however_many_lines_and_cells_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "LONGEST_LINE_BYTES", 1_000)
    row = b'"' + b"\n" * 400 + b'",'
    file = BytesIO(b"input,context,expected_output,tags\n" + 10 * (row * 2 + b",\n") + row * 1_000)
    lines = read_csv(file)

    assert [next(lines).line for _ in range(10)] == list(range(2, 8_012, 801))
    with pytest.raises(SampleFileUnreadable, match="row longer than 1000 bytes"):
        next(lines)
    assert file.tell() < 10_000


def test_a_line_of_jsonl_that_is_too_long_is_passed_over_and_the_next_one_is_read() -> None:
    file = b'{"input": "' + b"x" * 9_000_000 + b'"}\r\n{"input": "one"}'

    lines = list(read_jsonl(BytesIO(file)))

    assert reasons(lines) == {1: "longer than 4000000 bytes"}
    assert contents(lines) == {2: SampleContent(input="one")}


def test_a_line_in_another_encoding_is_rejected_and_a_file_of_utf_16_is_refused() -> None:
    lines = list(read_jsonl(BytesIO('{"input": "Grüße"}\n'.encode("latin-1") + b'{"input": "one"}\n')))

    assert list(reasons(lines)) == [1]
    assert list(contents(lines)) == [2]
    with pytest.raises(SampleFileUnreadable, match="UTF-16"):
        list(read_jsonl(BytesIO('{"input": "one"}'.encode("utf-16"))))


HOSTILE: list[dict[str, Any]] = [
    {"input": "plain"},
    {"input": 'quotes "and", commas\r\nand\nnew\rlines\t'},
    {"input": " \ufefflooks like a mark ", "expected_output": "=1+1", "context": "\u2028"},
    {"input": "日本語 🎉", "tags": ("a,b", " c ", "d"), "weight": 0.1 + 0.2},
    {"input": {"name": "Ada", "n": 3, "deep": [{"x": None}], "empty": ""}, "metadata": {"a": 1, "b": "", "c": {"d": [True]}}},
    {"input": "{}", "source_trace_id": "a" * 32, "metadata": {"text": "1"}},
    {"input": "input_json,input", "expected_output": "", "context": "x" * 100_000},
]


NUMBERS = [1.0, -1.5, -0.0, 1e-7, 2.5e15, 1e16, -1e16, 1.2345678901234567e18, 9.3e18, 1.8e19, 2.0**64, -(2.0**63), -1e19, 1e300]
NUMBERS += [1, 10**16, 2**53 + 1, 2**64 - 1, -(2**63)]
HOSTILE.append({"input": {"n": NUMBERS, "deep": [{"n": 1e17}]}, "metadata": {"n": NUMBERS}})


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_what_is_written_as_csv_is_read_as_the_same_samples(mark: bytes) -> None:
    samples = [SampleContent.model_validate(item) for item in HOSTILE]

    file = mark + write_csv(samples[:3], header=True) + write_csv(samples[3:], header=False)

    lines = list(read_csv(BytesIO(file)))
    assert reasons(lines) == {}
    assert list(contents(lines).values()) == samples
    assert [one.content_hash for one in contents(lines).values()] == [one.content_hash for one in samples]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"a,{},", "input_json: its value stands in another column as well"),
        (b",{,", "input_json: not JSON"),
        (b",3,", "input: Input should be text"),
        (b"a,,3", "tags: Input should be a valid"),
    ],
)
def test_a_cell_that_is_not_the_json_that_it_should_be_rejects_its_row(row: bytes, reason: str) -> None:
    lines = list(read_csv(BytesIO(b"input,input_json,tags_json\n" + row + b"\nb,,\n")))

    assert reasons(lines)[2].startswith(reason)
    assert list(contents(lines)) == [3]
