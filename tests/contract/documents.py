"""Reading the OpenAPI document."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from tests.contract.operations import documented_app

Json = dict[str, Any]

DOCUMENT: Json = documented_app().openapi()


def documented_operations() -> Iterator[tuple[str, str, Json]]:
    """Method, path and description of every documented operation."""
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def resolve(schema: Json) -> Json:
    """The schema that a reference points to."""
    while "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    return schema


def examples_of(operation: Json) -> list[Any]:
    """Copies of the examples of an operation's body, wherever they are written; whoever needs them may fill in what exists."""
    found: list[Any] = []
    for media in operation.get("requestBody", {}).get("content", {}).values():
        schema = resolve(media.get("schema", {}))
        found += [example["value"] for example in media.get("examples", {}).values()]
        found += [media["example"]] if "example" in media else []
        found += schema.get("examples", [])
    return deepcopy(found)


def path_parameter(path: str, name: str) -> Json:
    """The schema of a parameter in a path; empty where it is not documented."""
    operations = DOCUMENT["paths"].get(path, {}).values()
    parameters = (each for operation in operations for each in operation.get("parameters", []))
    return next((each["schema"] for each in parameters if each["in"] == "path" and each["name"] == name), {})
