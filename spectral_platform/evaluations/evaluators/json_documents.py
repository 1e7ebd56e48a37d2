"""JSON as parameters of evaluators, and the JSON document that an answer is."""

from typing import Annotated, Any

import orjson
from pydantic import AfterValidator

from spectral_platform.evaluations.evaluators.subjects import Evaluation, excerpt


def storable(value: Any) -> Any:
    """The value, if it can be kept as JSON: lone surrogates, numbers beyond 64 bits and endless nesting cannot."""
    try:
        orjson.dumps(value)
    except TypeError as error:
        raise ValueError(f"this cannot be stored as JSON: {error}") from error
    return value


StorableJson = Annotated[Any, AfterValidator(storable)]


def read_document(output: str, evaluator: str) -> tuple[Any, Evaluation | None]:
    """Read the answer strictly: a code fence or text around the JSON is a failure, which comes back instead."""
    try:
        return orjson.loads(output), None
    except orjson.JSONDecodeError as error:
        feedback = "The answer must be a single JSON document, without any text or code fence around it."
        if output.lstrip()[:1] in ("{", "["):
            feedback = f"The answer must be valid JSON: {error.msg} at line {error.lineno}, column {error.colno}."
        return None, Evaluation.failure(evaluator, feedback)


def shown(value: Any) -> str:
    """Quote a piece of a document for a sentence of feedback; answers nest deeper than JSON can be written again."""
    try:
        return excerpt(orjson.dumps(value).decode(), 100)
    except orjson.JSONEncodeError:
        return "something that is nested very deeply"


def is_same(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are equal: 1 and 1.0 are, 1 and true are not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(value, other[name]) for name, value in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(is_same, one, other))
    return type(one) is type(other) and one == other if not _are_numbers(one, other) else one == other


def _are_numbers(one: Any, other: Any) -> bool:
    return isinstance(one, int | float) and isinstance(other, int | float)
