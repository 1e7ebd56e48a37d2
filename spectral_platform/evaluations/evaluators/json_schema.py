"""`json_schema`: the answer is JSON that a schema accepts."""

from collections import deque
from collections.abc import Iterator
from contextvars import ContextVar
from itertools import repeat
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
_MOST_REFERENCES = 50_000
"""How often references are followed for one answer; a few that fork would otherwise be followed for ever."""
_remaining: ContextVar[Iterator[None]] = ContextVar("references that may still be followed")


class _TooManyReferences(Exception):
    """The schema's references fork too often to be followed."""


def _follow(validator: Any, reference: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if next(_remaining.get(), False) is False:
        raise _TooManyReferences
    yield from Draft202012Validator.VALIDATORS["$ref"](validator, reference, instance, schema)


def _follow_dynamically(validator: Any, reference: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if next(_remaining.get(), False) is False:
        raise _TooManyReferences
    yield from Draft202012Validator.VALIDATORS["$dynamicRef"](validator, reference, instance, schema)


def _match_pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not compile_pattern(pattern).search(instance):
        yield ValidationError(f"{excerpt(instance, 60)} does not match the pattern {excerpt(pattern, 60)}")


def _match_pattern_properties(validator: Any, patterns: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    for pattern, subschema in patterns.items() if isinstance(instance, dict) else ():
        for name, value in instance.items():
            if compile_pattern(pattern).search(name):
                yield from validator.descend(value, subschema, path=name, schema_path=pattern)


def _differ(validator: Any, wanted: bool, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if wanted and isinstance(instance, list) and len({_key(item) for item in instance}) < len(instance):
        yield ValidationError("two items of a list that must differ are equal")


def _key(value: Any) -> object:
    """What equal values of JSON have in common and no others: 1 and 1.0 are equal, 1 and true are not."""
    if isinstance(value, dict):
        return frozenset((name, _key(each)) for name, each in value.items())
    if isinstance(value, list):
        return tuple(map(_key, value))
    return (bool, value) if isinstance(value, bool) else value


# The library matches with backtracking expressions, compares each item with each other one, and follows references as often as
# they fork, which a workspace's schema could make run for ever.
_Validator = extend(  # type: ignore[no-untyped-call]  # the stubs leave this function unannotated
    Draft202012Validator,
    {
        "$ref": _follow,
        "$dynamicRef": _follow_dynamically,
        "pattern": _match_pattern,
        "patternProperties": _match_pattern_properties,
        "uniqueItems": _differ,
    },
)


def _is_usable(schema: dict[str, Any]) -> dict[str, Any]:
    """Refuse at once what would fail, stall or reach for the network when an answer is judged."""
    if schema.get("$schema", _DIALECT) != _DIALECT:
        raise ValueError(f"only JSON Schema 2020-12 is supported ({_DIALECT})")
    _check(schema)
    root = DRAFT202012.create_resource(schema)
    # What stands where schemas stand comes before what is referred to, which may stand anywhere and is checked by itself.
    waiting = deque([(root, Registry().with_resource("", root).resolver())])
    seen: set[int] = set()
    while waiting:
        resource, resolver = waiting.pop()
        contents = resource.contents
        if id(contents) in seen:
            continue
        seen.add(id(contents))
        if not isinstance(contents, dict):
            continue
        for pattern in (*([contents["pattern"]] if "pattern" in contents else ()), *contents.get("patternProperties", ())):
            compile_pattern(pattern)
        for keyword in contents.keys() & {"$ref", "$dynamicRef"}:
            try:
                referred = resolver.lookup(contents[keyword])
            except Unresolvable as error:
                raise ValueError(f"the schema refers to {contents[keyword]}, which it does not contain") from error
            if id(referred.contents) not in seen:
                _check(referred.contents)
                waiting.appendleft((DRAFT202012.create_resource(referred.contents), referred.resolver))
        waiting.extend((part, resolver.in_subresource(part)) for part in resource.subresources())
    return schema


def _check(schema: Any) -> None:
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise ValueError(f"not a JSON Schema: {error.message} at {error.json_path}") from error


class JsonSchema(Value):
    """Parameters of `json_schema`."""

    # `schema` is the contract's word, and a method of every model: hence the alias.
    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True, validate_by_alias=True)

    kind: Literal["json_schema"] = "json_schema"
    json_schema: Annotated[dict[str, Any], AfterValidator(storable), AfterValidator(_is_usable)] = Field(
        alias="schema", description="JSON Schema 2020-12 that the answer must conform to; references stay inside it."
    )

    def evaluate(self, subject: Subject) -> Evaluation:
        """Parse the answer strictly (no code fence, no text around) and hold it against the schema."""
        document, failure = read_document(subject.output, EVALUATOR)
        if failure is not None:
            return failure
        token = _remaining.set(repeat(None, _MOST_REFERENCES))
        try:
            violation = best_match(_Validator(self.json_schema, registry=Registry()).iter_errors(document))
        except RecursionError:
            return Evaluation.not_applicable(EVALUATOR, "The schema refers to itself without end.")
        except _TooManyReferences:
            return Evaluation.not_applicable(EVALUATOR, "The schema's references fork too often to be followed.")
        finally:
            _remaining.reset(token)
        if violation is None:
            return Evaluation.success(EVALUATOR)
        place = "" if violation.json_path == "$" else f" at {violation.json_path}"
        reason = violation.message if len(violation.message) <= 200 else f"{violation.message[:199]}…"
        return Evaluation.failure(EVALUATOR, f"The answer must be JSON that fits the required schema{place}: {reason}.")
