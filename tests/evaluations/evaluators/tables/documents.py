"""Kinds that look into documents, numbers and calls."""

import json
from typing import Any

from tests.evaluations.evaluators.tables import Row, expecting

OBJECT = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def fits(schema: dict[str, Any], output: str, finding: Any) -> Row:
    return Row(output, finding, {"schema": schema})


JSON_SCHEMA = [
    fits(OBJECT, '{"n": 1}', "pass"),
    fits(OBJECT, '{"n": 1.0}', "pass"),
    fits(OBJECT, '{"n": 1.5}', "fail"),
    fits(OBJECT, '{"n": "1"}', "fail"),
    fits(OBJECT, '{"n": true}', "fail"),
    fits(OBJECT, "{}", "fail"),
    fits(OBJECT, "[]", "fail"),
    fits(OBJECT, "", "fail"),
    fits(OBJECT, "null", "fail"),
    fits({}, "null", "pass"),
    fits({}, '"text"', "pass"),
    fits({}, "NaN", "fail"),
    fits({}, "Infinity", "fail"),
    fits({}, "{'a': 1}", "fail"),
    fits({}, "Here you are: {}", "fail"),
    fits({}, "```json\n{}\n```", "fail"),
    fits({}, "{} {}", "fail"),
    fits({}, "[" * 100_000, "fail"),
    fits({}, '"\\ud800"', "fail"),
    fits({"const": "ß"}, '"\\u00df"', "pass"),
    fits({"maxLength": 1}, '"👍"', "pass"),
    fits({"pattern": "^(x+)+$"}, '"' + "x" * 5_000 + 'y"', "fail"),
    fits({"enum": [1, "a", None]}, "null", "pass"),
    fits({"enum": [1, "a", None]}, '"b"', "fail"),
    fits({"items": {"type": "integer"}}, json.dumps([*range(20_000)]), "pass"),
    fits({"$ref": "#"}, "{}", "na"),
    fits({"additionalProperties": False}, '{"extra": 1}', "fail"),
]


def at(path: str, equals: Any, output: str, finding: Any) -> Row:
    return Row(output, finding, {"path": path, "equals": equals})


SHOP = '{"items": [{"name": "Tea", "price": 4.5}, {"name": "Cup", "price": 12}], "paid": true, "note": null, "größe": "ß"}'
JSON_PATH = [
    at("$.paid", True, SHOP, "pass"),
    at("$.paid", 1, SHOP, "fail"),
    at("$.items[0].name", "Tea", SHOP, "pass"),
    at("$.items[0].name", "tea", SHOP, "fail"),
    at("$.items[-1].name", "Cup", SHOP, "pass"),
    at("$.items[1].price", 12.0, SHOP, "pass"),
    at("$.items[9].name", "Tea", SHOP, "fail"),
    at("$.items[*].name", "Cup", SHOP, "pass"),
    at("$..price", 4.5, SHOP, "pass"),
    at("$.items[?@.price > 10].name", "Cup", SHOP, "pass"),
    at("$.items[?@.price > 10].name", "Tea", SHOP, "fail"),
    at("$.items[?match(@.name, '(C|c)+up')].price", 12, SHOP, "pass"),
    at("$.items[?search(@.name, '(')].price", 12, SHOP, "fail"),
    at("$.items[0:2].price", 12, SHOP, "pass"),
    at("$.note", None, SHOP, "pass"),
    at("$.missing", None, SHOP, "fail"),
    at("$['größe']", "ß", SHOP, "pass"),
    at("$", {"a": [1, {"b": 2}]}, '{"a": [1.0, {"b": 2}]}', "pass"),
    at("$", [1, 2], "[2, 1]", "fail"),
    at("$", "👍", '"👍"', "pass"),
    at("$", 0, "", "fail"),
    at("$", 0, "0", "pass"),
    at("$", False, "0", "fail"),
    at("$.a", 1, '{"a": NaN}', "fail"),
    at("$.a", 1, 'Sure: {"a": 1}', "fail"),
    at("$.a", 1, '```json\n{"a": 1}\n```', "fail"),
    at("$..*", 1, '{"a":' * 900 + "1" + "}" * 900, "fail"),
    at("$[*]", -1, json.dumps([*range(50_000)]), "fail"),
    at("$[?match(@, '(a+)+')]", "b", json.dumps(["a" * 20_000 + "!"]), "fail"),
]


def near(value: float, output: str, finding: Any, **tolerance: float) -> Row:
    return Row(output, finding, {"value": value, **tolerance})


NUMERIC_TOLERANCE = [
    near(42, "42", "pass"),
    near(42, "The answer is 42.", "pass"),
    near(42, "6 times 7 is 42", "pass"),
    near(42, "42 is 6 times 7", "fail"),
    near(42, "43", "fail"),
    near(42, "43", "pass", absolute=1),
    near(42, "43.1", "fail", absolute=1),
    near(100, "101", "pass", relative=0.01),
    near(100, "101.1", "fail", relative=0.01),
    near(-100, "-101", "pass", relative=0.01),
    near(0, "0.001", "fail", relative=0.5),
    near(0.3, "0.30", "pass"),
    near(1234.5, "$1,234.50", "pass"),
    near(1234.5, "1.234,50 €", "pass"),
    near(1_000_000, "1,000,000", "pass"),
    near(1_000_000, "1'000'000", "pass"),
    near(1000, "1,000", "pass"),
    near(0.5, "0,5", "pass"),
    near(0.125, "0,125", "pass"),
    near(5, "pages 3-5", "pass"),
    near(-5, "−5 °C", "pass"),
    near(42, "٤٢", "pass"),
    near(12, "１２", "pass"),
    near(0.001, "1e-3", "pass"),
    near(1e308, "1e308", "pass"),
    near(12, "12 %", "pass"),
    near(1, "", "fail"),
    near(1, "NaN", "fail"),
    near(1, "inf", "fail"),
    near(1, "one", "fail"),
    near(2, "x²", "fail"),
    near(1, "1e999", "fail", relative=1.0),
    near(9007199254740993, "9007199254740994", "fail"),
    near(1, "9" * 50_000, "fail"),
    near(7, "1 " * 50_000 + "7", "pass"),
    Row("7", "na"),
    expecting("none", "7", "na"),
    expecting("about 7 days", "7", "pass"),
    expecting("7.0", "It takes 8", "pass", absolute=1),
]


def called(*names: Any) -> dict[str, Any]:
    calls = [{"name": name} if isinstance(name, str) else {"name": name[0], "arguments": name[1]} for name in names]
    return {"tool_calls": calls}


def calls(expected: list[Any], made: dict[str, Any], finding: Any, **parameters: Any) -> Row:
    return Row("Done.", finding, {"expected": called(*expected)["tool_calls"], **parameters}, made)


TOOL_CALLS = [
    calls(["a"], {}, "na"),
    calls(["a"], called(), "fail"),
    calls([], called(), "pass"),
    calls([], called("a"), "fail"),
    calls(["a"], called("a"), "pass"),
    calls(["a"], called("b"), "fail"),
    calls(["a"], called("A"), "fail"),
    calls(["a", "b"], called("a", "b"), "pass"),
    calls(["a", "b"], called("b", "a"), 0.5),
    calls(["a", "b"], called("b", "a"), "pass", match="any_order"),
    calls(["a", "b"], called("a", "b", "c"), 2 / 3),
    calls(["a", "b"], called("c", "b", "a"), 2 / 3, match="any_order"),
    calls(["a", "b"], called("c", "b", "a"), "pass", match="subset"),
    calls(["a", "b"], called("a"), 0.5, match="subset"),
    calls(["a", "a"], called("a"), 0.5, match="subset"),
    calls([("a", {"x": 1})], called(("a", {"x": 1.0})), "pass"),
    calls([("a", {"x": 1})], called(("a", {"x": True})), "fail"),
    calls([("a", {"x": 1})], called(("a", {"x": 1, "y": 2})), "fail"),
    calls([("a", {"x": 1})], called(("a", {"x": 1, "y": 2})), "pass", match="subset"),
    calls([("a", {})], called("a"), "pass"),
    calls(["a"], called(("a", "no json")), "pass"),
    calls([("a", {})], called(("a", "no json")), "fail"),
    calls([("a", {"q": "größe 👍"})], called(("a", {"q": "größe 👍"})), "pass"),
    calls([("a", {"x": [1, {"y": None}]})], called(("a", {"x": [1, {"y": None}]})), "pass"),
    calls(["a", ("a", {"x": 1})], called(("a", {"x": 1}), ("a", {"x": 2})), "pass", match="any_order"),
    calls(["a"], called("a", "b", "c"), "pass", match="subset", max_calls=3),
    calls(["a"], called("a", "b", "c", "d"), 0.75, match="subset", max_calls=3),
    calls([], called("a"), "pass", match="subset", max_calls=1),
    calls(["a"] * 100, called(*["a"] * 100), "pass"),
    calls(["b"], called(*["a"] * 5_000, "b"), "fail"),
    calls([("a", {"x": "y" * 100_000})], called(("a", {"x": "z" * 100_000})), "fail"),
]

TABLES = {
    "json_schema": JSON_SCHEMA,
    "json_path": JSON_PATH,
    "numeric_tolerance": NUMERIC_TOLERANCE,
    "tool_calls": TOOL_CALLS,
}
