"""Samples as files."""

import pytest

from spectral_platform.samples.content import LONGEST_TEXT, SampleContent
from spectral_platform.samples.errors import SampleFileUnreadable
from spectral_platform.samples.parsing import AcceptedLine, Line, RejectedLine, read_array, read_csv, read_jsonl


def contents(lines: list[Line]) -> dict[int, SampleContent]:
    return {line.line: line.content for line in lines if isinstance(line, AcceptedLine)}


def reasons(lines: list[Line]) -> dict[int, str]:
    return {line.line: line.reason for line in lines if isinstance(line, RejectedLine)}


def test_a_bad_line_of_jsonl_does_not_refuse_the_others() -> None:
    file = b'\xef\xbb\xbf{"input": "one"}\r\n\n{"input": \n{"input": {"name": "Ada"}, "weight": 2}\n[]\n'

    lines = list(read_jsonl(file))

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

    lines = list(read_csv(file.encode()))

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
    lines = list(read_csv(b"input.name,input.city\nAda,London\n"))

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
    ],
)
def test_a_file_that_is_not_such_a_csv_is_refused_whole(file: bytes) -> None:
    with pytest.raises(SampleFileUnreadable):
        list(read_csv(file))
