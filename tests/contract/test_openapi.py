"""The published document: complete, and changed only on purpose."""

import json
import pkgutil
from collections import Counter
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path

import pytest

from spectral_api import v1
from spectral_api.problems import MEDIA_TYPE, declared_errors
from tests.contract.conftest import WORKSPACE
from tests.contract.documents import DOCUMENT, Json, documented_operations, examples_of, resolve
from tests.contract.errors import all_errors
from tests.contract.operations import OF_OTHER_PROTOCOLS, OPERATIONS, Operation

CHECKED_IN = Path(__file__).with_name("openapi.json")
SHOWN = 40
"""So many lines of what changed are printed, not the document."""

# Raised in jobs or at the console, where no endpoint waits for an answer. May only shrink.
WITHOUT_ENDPOINT = {"UserUnknown"}

DOCUMENTED = [pytest.param(method, path, each, id=f"{method} {path}") for method, path, each in documented_operations()]
every_operation = pytest.mark.parametrize(("method", "path", "described"), DOCUMENTED)


def operation_at(method: str, path: str) -> Operation:
    return next(each for each in OPERATIONS if (each.method, each.path) == (method, path))


def test_the_document_changes_on_purpose() -> None:
    then, now = (
        json.dumps(each, indent=2, sort_keys=True).splitlines() for each in (json.loads(CHECKED_IN.read_text()), DOCUMENT)
    )
    changed = list(unified_diff(then, now, "checked in", "served", lineterm="", n=1)) if then != now else []

    if changed:
        shown = "\n".join([*changed[:SHOWN], *(["…"] if len(changed) > SHOWN else [])])
        pytest.fail(f"if it is on purpose: uv run task openapi\n{shown}", pytrace=False)


@every_operation
def test_every_operation_says_what_it_is_for(method: str, path: str, described: Json) -> None:
    assert described["summary"].strip()
    assert described["description"].strip()
    assert described["tags"]
    for parameter in described.get("parameters", []):
        assert parameter.get("description") or parameter["in"] == "path", parameter["name"]


def test_operation_ids_are_unique() -> None:
    ids = Counter(described["operationId"] for _, _, described in documented_operations())

    assert [each for each, count in ids.items() if count > 1] == []


@every_operation
def test_every_body_has_an_example(method: str, path: str, described: Json) -> None:
    assert "requestBody" not in described or examples_of(described)


@every_operation
def test_every_operation_documents_its_problems(method: str, path: str, described: Json) -> None:
    operation = operation_at(method, path)
    expected = {"422", "500"}
    if operation.scopes is not None:
        expected |= {"401"}
    if operation.scopes:
        expected |= {"403"}
    if operation.path.startswith(WORKSPACE):
        expected |= {"404"}
    if method == "POST" and path in OF_OTHER_PROTOCOLS:
        expected -= {"422"}  # what is 422 elsewhere is 400 there

    assert set(described["responses"]) >= expected
    for status, response in described["responses"].items():
        if status in expected and operation.answers_problems:
            assert list(response["content"]) == [MEDIA_TYPE]
            assert response["content"][MEDIA_TYPE]["examples"]


@every_operation
def test_every_success_is_described(method: str, path: str, described: Json) -> None:
    successes = [status for status in described["responses"] if status.startswith("2")]
    assert successes
    for status in successes:
        if (status, path) != ("202", "/api/v1/auth/reset-password") and status != "204":  # that answer is the same for everybody
            assert described["responses"][status].get("content"), status


def properties() -> Iterator[tuple[str, Json]]:
    """Every property of every named schema."""
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for key, details in schema.get("properties", {}).items():
            yield f"{name}.{key}", details


def test_every_property_is_described() -> None:
    undescribed = [
        name
        for name, details in properties()
        # A constant says what it is; a reference may leave the words to what it refers to.
        if not details.get("description") and "const" not in details and not resolve(details).get("description")
    ]

    assert undescribed == []


def test_every_error_of_a_room_with_endpoints_is_documented() -> None:
    rooms = {f"spectral_platform.{room.name}.errors" for room in pkgutil.iter_modules(v1.__path__)}
    undocumented = {
        error.__qualname__
        for error in all_errors()
        if (error.__module__ in rooms or error.__module__.startswith("spectral_api."))
        and not error.__subclasses__()
        and error not in declared_errors
    }

    assert undocumented == WITHOUT_ENDPOINT
