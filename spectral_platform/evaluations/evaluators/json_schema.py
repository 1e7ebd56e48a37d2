"""`json_schema`: the answer is JSON that a schema accepts."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from jsonschema import Draft202012Validator, SchemaError, ValidationError
from jsonschema.exceptions import best_match
from jsonschema.validators import extend
from pydantic import AfterValidator, ConfigDict, Field
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from spectral_platform.core.linear_regex import compile_pattern
from spectral_platform.core.values import Value
from spectral_platform.evaluations.evaluators.json_documents import read_document, storable
from spectral_platform.evaluations.evaluators.subjects import Evaluation, Subject, excerpt

EVALUATOR = "json_schema@1"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def _match_pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not compile_pattern(pattern).search(instance):
        yield ValidationError(f"{excerpt(instance, 60)} does not match the pattern {excerpt(pattern, 60)}")


def _match_pattern_properties(validator: Any, patterns: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    for pattern, subschema in patterns.items() if isinstance(instance, dict) else ():
        for name, value in instance.items():
            if compile_pattern(pattern).search(name):
                yield from validator.descend(value, subschema, path=name, schema_path=pattern)


# The library matches with backtracking expressions, which a workspace's schema could make run for ever.
_Validator = extend(  # type: ignore[no-untyped-call]  # the stubs leave this function unannotated
    Draft202012Validator,
    {"pattern": _match_pattern, "patternProperties": _match_pattern_properties},
)


def _is_usable(schema: dict[str, Any]) -> dict[str, Any]:
    """Refuse at once what would fail, stall or reach for the network when an answer is judged."""
    if schema.get("$schema", _DIALECT) != _DIALECT:
        raise ValueError(f"only JSON Schema 2020-12 is supported ({_DIALECT})")
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise ValueError(f"not a JSON Schema: {error.message} at {error.json_path}") from error
    resolver = Registry().with_resource("", DRAFT202012.create_resource(schema)).resolver()
    for keyword, value in _entries(schema):
        if keyword in ("$ref", "$dynamicRef") and isinstance(value, str):
            try:
                resolver.lookup(value)
            except Unresolvable as error:
                raise ValueError(f"the schema refers to {value}, which it does not contain") from error
        elif keyword == "pattern" and isinstance(value, str):
            compile_pattern(value)
        elif keyword == "patternProperties" and isinstance(value, dict):
            for pattern in value:
                compile_pattern(pattern)
    return schema


def _entries(node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for keyword, value in node.items():
            yield keyword, value
            yield from _entries(value)
    elif isinstance(node, list):
        for item in node:
            yield from _entries(item)


class JsonSchema(Value):
    """Parameters of `json_schema`."""

    # `schema` is the contract's word, and a method of every model: hence the alias.
    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True, validate_by_alias=True)

    kind: Literal["json_schema"] = "json_schema"
    json_schema: Annotated[dict[str, Any], AfterValidator(storable), AfterValidator(_is_usable)] = Field(
        alias="schema", description="JSON Schema 2020-12 that the answer must conform to; references stay inside it."
    )


def evaluate(parameters: JsonSchema, subject: Subject) -> Evaluation:
    """Parse the answer strictly (no code fence, no text around) and hold it against the schema."""
    document, failure = read_document(subject.output, EVALUATOR)
    if failure is not None:
        return failure
    try:
        violation = best_match(_Validator(parameters.json_schema, registry=Registry()).iter_errors(document))
    except RecursionError:
        return Evaluation.not_applicable(EVALUATOR, "The schema refers to itself without end.")
    if violation is None:
        return Evaluation.success(EVALUATOR)
    place = "" if violation.json_path == "$" else f" at {violation.json_path}"
    reason = violation.message if len(violation.message) <= 200 else f"{violation.message[:199]}…"
    return Evaluation.failure(EVALUATOR, f"The answer must be JSON that fits the required schema{place}: {reason}.")
