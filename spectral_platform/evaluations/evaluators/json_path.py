"""`json_path`: the answer is JSON in which a path leads to a given value."""

from collections.abc import Iterator
from typing import Annotated, Literal

from jsonpath import JSONPathEnvironment
from jsonpath.exceptions import JSONPathError
from jsonpath.filter import BaseExpression, FilterQuery, RootFilterQuery
from jsonpath.function_extensions import ExpressionType, FilterFunction
from jsonpath.path import JSONPath as CompiledPath
from jsonpath.segments import JSONPathRecursiveDescentSegment
from jsonpath.selectors import Filter
from pydantic import AfterValidator, Field

from spectral_platform.core.linear_regex import compile_pattern
from spectral_platform.core.values import Value
from spectral_platform.evaluations.evaluators.json_documents import StorableJson, is_same, read_document, shown
from spectral_platform.evaluations.evaluators.subjects import Evaluation, Subject, excerpt

EVALUATOR = "json_path@1"
_MOST_NODES = 1_000
"""How many places of a document are compared; a path of wildcards could lead to millions."""


class _Matching(FilterFunction):
    """RFC 9535's `match` and `search` with expressions that run in linear time, where the library's own may backtrack."""

    arg_types = [ExpressionType.VALUE, ExpressionType.VALUE]  # noqa: RUF012  # declared so by the library
    return_type = ExpressionType.LOGICAL

    def __init__(self, *, whole: bool) -> None:
        self._whole = whole

    def __call__(self, value: object, pattern: object) -> bool:
        if not isinstance(value, str) or not isinstance(pattern, str):
            return False
        try:
            compiled = compile_pattern(pattern)
        except ValueError:
            return False
        return (compiled.fullmatch(value) if self._whole else compiled.search(value)) is not None


class _Environment(JSONPathEnvironment):
    def setup_function_extensions(self) -> None:
        super().setup_function_extensions()
        self.function_extensions["match"] = _Matching(whole=True)
        self.function_extensions["search"] = _Matching(whole=False)


_ENVIRONMENT = _Environment(strict=True)


def _compile(path: str) -> CompiledPath:
    compiled = _ENVIRONMENT.compile(path)
    if not isinstance(compiled, CompiledPath):
        raise ValueError("a union of paths is no JSONPath (RFC 9535)")
    return compiled


def _is_path(path: str) -> str:
    try:
        compiled = _compile(path)
    except (JSONPathError, RecursionError) as error:
        raise ValueError(f"not a JSONPath (RFC 9535): {str(error).splitlines()[0]}") from error
    _refuse_explosions(compiled)
    return path


def _refuse_explosions(path: CompiledPath, *, within_filter: bool = False) -> None:
    """Refuse what could visit every place of a document many times over; what is left takes its size times its depth."""
    if sum(isinstance(segment, JSONPathRecursiveDescentSegment) for segment in path.segments) > 1:
        raise ValueError("a path has at most one `..`")
    if sum(len(segment.selectors) > 1 for segment in path.segments) > 1:
        raise ValueError("a path has at most one list of several selectors")
    for selector in (selector for segment in path.segments for selector in segment.selectors):
        if not isinstance(selector, Filter):
            continue
        if within_filter:
            raise ValueError("there is no filter within a filter")
        for query in _queries(selector.expression):
            if isinstance(query, RootFilterQuery) and not query.path.singular_query():
                raise ValueError("a filter looks at one place of the whole document at most, such as `$.limit`")
            _refuse_explosions(query.path, within_filter=True)


def _queries(expression: BaseExpression) -> Iterator[FilterQuery]:
    if isinstance(expression, FilterQuery):
        yield expression
    else:
        for part in expression.children():
            yield from _queries(part)


class JsonPath(Value):
    """Parameters of `json_path`."""

    kind: Literal["json_path"] = "json_path"
    path: Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_is_path)] = Field(
        description="JSONPath as RFC 9535 has it, such as `$.items[0].name`."
    )
    equals: StorableJson = Field(description="What stands there, of any type of JSON.")

    def evaluate(self, subject: Subject) -> Evaluation:
        """Follow the path; with several places one of them must have the value. 1 and 1.0 are equal, 1 and true are not."""
        document, failure = read_document(subject.output, EVALUATOR)
        if failure is not None:
            return failure
        found = []
        try:
            for match in _compile(self.path).finditer(document):
                found.append(match.obj)
                if len(found) >= _MOST_NODES:
                    break
        except (JSONPathError, RecursionError):
            return Evaluation.failure(EVALUATOR, "The answer must be JSON that is nested less deeply.")
        path = excerpt(self.path, 100)
        if any(is_same(value, self.equals) for value in found):
            return Evaluation.success(EVALUATOR)
        instead = f" instead of {shown(found[0])}" if found else ", where it has nothing"
        return Evaluation.failure(EVALUATOR, f"The answer must be JSON with {shown(self.equals)} at {path}{instead}.")
