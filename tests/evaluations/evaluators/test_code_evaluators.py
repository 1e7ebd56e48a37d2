from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from spectral_platform.evaluations.evaluators.catalogue import CODE, EvaluatorSpec
from spectral_platform.evaluations.evaluators.subjects import Evaluation, Subject

SUBJECT = TypeAdapter(Subject)
EVERY: TypeAdapter[Any] = TypeAdapter(EvaluatorSpec)
Spec = dict[str, Any]

ONE_OF_EACH: list[Spec] = [
    {"kind": "contains", "values": ["refund", "order"], "mode": "any"},
    {"kind": "exact_match", "value": "yes", "normalize": True},
    {"kind": "groundedness", "threshold": 0.6},
    {"kind": "instruction", "instructions": [{"id": "punctuation:no_comma"}], "strictness": "loose"},
    {"kind": "json_path", "path": "$.a", "equals": None},
    {"kind": "json_schema", "schema": {"type": "object", "required": ["a"]}},
    {"kind": "max_cost", "value": 0.01},
    {"kind": "max_latency", "value": 800},
    {"kind": "max_tokens", "value": 300},
    {"kind": "numeric_tolerance", "value": 3.5, "absolute": 0.1},
    {"kind": "pii", "kinds": ["email", {"name": "member ids", "pattern": "M-\\d{4}"}]},
    {"kind": "prompt_leak"},
    {"kind": "refusal", "expected": True},
    {"kind": "regex", "pattern": "^a+$", "flags": "im", "expect_match": False},
    {"kind": "rouge_l", "threshold": 0.7},
    {"kind": "semantic_similarity", "threshold": 0.7},
]


def run(spec: Spec, output: str = "An answer.", **known: Any) -> Evaluation:
    subject = SUBJECT.validate_python({"input": "A question?", "output": output, **known})
    return CODE.validate_python(spec).evaluate(subject)


@pytest.mark.parametrize("spec", ONE_OF_EACH, ids=lambda spec: spec["kind"])
def test_a_spec_survives_storage(spec: Spec) -> None:
    parsed = EVERY.validate_python(spec)
    stored = EVERY.dump_json(parsed)
    assert EVERY.validate_json(stored) == parsed
    assert spec.items() <= EVERY.dump_python(parsed, mode="json").items()


@pytest.mark.parametrize("spec", ONE_OF_EACH, ids=lambda spec: spec["kind"])
@given(output=st.text(max_size=200), known=st.booleans())
def test_any_answer_is_evaluated_and_a_failure_says_what_to_do(spec: Spec, output: str, known: bool) -> None:
    case: dict[str, Any] = {}
    if known:
        case = {"context": "Parcels take three days.", "expected_output": "yes", "latency_ms": 900, "cost_usd": 0.02}
        case |= {"total_tokens": 301, "system_prompt": "You are a friendly assistant of a shop that sells bicycles."}
    found = run(spec, output, **case)
    assert found.evaluator.split("+")[0] == f"{spec['kind']}@1"
    if found.passed is False:
        assert found.feedback.startswith("The answer must ")
        assert found.feedback.endswith(".")
    assert all(piece in output for piece in found.evidence)


@pytest.mark.parametrize(
    "spec",
    [
        {"kind": "unheard_of"},
        {"kind": "contains"},
        {"kind": "contains", "value": "a", "values": ["b"]},
        {"kind": "contains", "value": ""},
        {"kind": "refusal"},
        {"kind": "refusal", "expected": True, "surprise": 1},
        {"kind": "max_cost", "value": 0},
        {"kind": "max_latency", "value": float("inf")},
        {"kind": "pii", "kinds": []},
        {"kind": "pii", "kinds": ["shoe size"]},
        {"kind": "groundedness", "threshold": 1.5},
        {"kind": "llm_judge", "criteria": []},
        {"kind": "llm_judge", "criteria": [{"id": "a", "text": "x"}, {"id": "a", "text": "y"}]},
        {"kind": "llm_judge", "votes": 0},
        {"kind": "regex", "pattern": "a", "flags": "x"},
        {"kind": "json_path", "path": "$.a"},
        {"kind": "json_path", "path": "a.b", "equals": 1},
        {"kind": "json_path", "path": "$[", "equals": 1},
        {"kind": "json_path", "path": "$.a | $.b", "equals": 1},
        {"kind": "json_path", "path": "$..a..b", "equals": 1},
        {"kind": "json_path", "path": "$[0,0][0,0]", "equals": 1},
        {"kind": "json_path", "path": "$[?@[?@.a]]", "equals": 1},
        {"kind": "json_path", "path": "$[?$[*]]", "equals": 1},
        {"kind": "json_path", "path": "$[?@.a =~ /(a+)+/]", "equals": 1},
        {"kind": "numeric_tolerance", "value": float("nan")},
        {"kind": "numeric_tolerance", "value": 1, "absolute": -1},
        {"kind": "numeric_tolerance", "value": 1, "relative": float("inf")},
        {"kind": "rouge_l", "threshold": 0},
        {"kind": "semantic_similarity", "threshold": 1.1},
        {"kind": "tool_calls"},
        {"kind": "tool_calls", "expected": [{"name": ""}]},
        {"kind": "tool_calls", "expected": [{"name": "a"}], "match": "roughly"},
        {"kind": "tool_calls", "expected": [], "match": "subset"},
        {"kind": "tool_calls", "expected": [{"name": "a"}], "max_calls": 0},
        {"kind": "instruction", "instructions": []},
        {"kind": "instruction", "instructions": [{"id": "poetry:rhyme"}]},
        {"kind": "instruction", "instructions": ["punctuation:no_comma"]},
        {"kind": "instruction", "instructions": [{"id": "punctuation:no_comma", "num_words": 3}]},
        {"kind": "instruction", "instructions": [{"id": "keywords:existence", "keywords": []}]},
        {"kind": "instruction", "instructions": [{"id": "language:response_language", "language": "tlh"}]},
        {"kind": "instruction", "instructions": [{"id": "keywords:letter_frequency", "letter": "ab"}]},
        {
            "kind": "instruction",
            "instructions": [{"id": "length_constraints:number_words", "num_words": 3, "relation": "roughly"}],
        },
        {
            "kind": "instruction",
            "instructions": [
                {
                    "id": "length_constraints:nth_paragraph_first_word",
                    "num_paragraphs": 1,
                    "nth_paragraph": 2,
                    "first_word": "a",
                }
            ],
        },
    ],
)
def test_senseless_parameters_are_refused(spec: Spec) -> None:
    with pytest.raises(ValidationError):
        EVERY.validate_python(spec)


@pytest.mark.parametrize(
    ("spec", "known"),
    [
        ({"kind": "exact_match"}, {}),
        ({"kind": "groundedness"}, {}),
        ({"kind": "groundedness"}, {"context": " "}),
        ({"kind": "max_latency", "value": 1}, {}),
        ({"kind": "max_cost", "value": 1}, {}),
        ({"kind": "max_tokens", "value": 1}, {}),
        ({"kind": "prompt_leak"}, {}),
        ({"kind": "prompt_leak"}, {"system_prompt": "Be kind."}),
    ],
)
def test_an_evaluator_without_its_facts_does_not_apply(spec: Spec, known: dict[str, Any]) -> None:
    found = run(spec, **known)
    assert (found.score, found.passed) == (None, None)
    assert found.feedback


@pytest.mark.parametrize(
    ("spec", "output", "passed", "feedback"),
    [
        ({"value": "Yes"}, "Yes", True, ""),
        ({"value": "Yes"}, "yes.", False, 'exactly "Yes"'),
        ({"value": "Yes", "normalize": True}, "  yes. ", True, ""),
        ({"value": "Straße", "normalize": True}, "STRASSE", True, ""),
        ({"value": "42"}, "The result is 42 indeed", False, 'only "42"'),
        ({"value": "42"}, "43", False, 'be "42"'),
        ({"value": "+", "normalize": True}, "-", False, "+"),
        ({"value": ""}, "", True, ""),
    ],
)
def test_exact_match(spec: Spec, output: str, passed: bool, feedback: str) -> None:
    found = run({"kind": "exact_match", **spec}, output)
    assert found.passed is passed
    assert feedback in found.feedback


def test_exact_match_takes_the_expected_output_of_the_case() -> None:
    assert run({"kind": "exact_match"}, "Paris", expected_output="Paris").passed
    assert run({"kind": "exact_match", "value": "Rome"}, "Paris", expected_output="Paris").passed is False


@pytest.mark.parametrize(
    ("spec", "score", "passed"),
    [
        ({"values": ["Refund", "order"]}, 1, True),
        ({"values": ["refund", "receipt"]}, 0.5, False),
        ({"values": ["receipt", "REFUND"], "mode": "any"}, 1, True),
        ({"values": ["receipt", "box"], "mode": "any"}, 0, False),
        ({"values": ["receipt", "box"], "mode": "none"}, 1, True),
        ({"values": ["receipt", "refund"], "mode": "none"}, 0.5, False),
        ({"value": "REFUND", "case_sensitive": True}, 0, False),
        ({"value": "refund"}, 1, True),
    ],
)
def test_contains(spec: Spec, score: float, passed: bool) -> None:
    found = run({"kind": "contains", **spec}, "Your refund for the order is on its way.")
    assert (found.score, found.passed) == (score, passed)


def test_contains_names_what_is_missing_and_cites_what_is_forbidden() -> None:
    assert run({"kind": "contains", "values": ["a box", "An"]}).feedback == 'The answer must mention "a box".'
    found = run({"kind": "contains", "value": "GUARANTEE", "mode": "none"}, "We guarantee it.")
    assert found.evidence == ("guarantee",)


def test_regex_expects_or_forbids_a_match() -> None:
    assert run({"kind": "regex", "pattern": r"order \d+"}, "Your order 12").evidence == ("order 12",)
    assert run({"kind": "regex", "pattern": r"ORDER", "flags": "i"}, "Your order 12").passed
    assert run({"kind": "regex", "pattern": r"\bgr\pL+"}, "🙂 Schöne grüße an alle").evidence == ("grüße",)
    forbidden = run({"kind": "regex", "pattern": r"\d+", "expect_match": False}, "Your order 12")
    assert forbidden.passed is False
    assert forbidden.evidence == ("12",)


def test_a_pattern_that_would_backtrack_for_ever_is_harmless() -> None:
    assert run({"kind": "regex", "pattern": "(a+)+$"}, "a" * 50_000 + "b").passed is False


@pytest.mark.parametrize("pattern", ["(?=a)", r"(a)\1", "(", "(?<!x)y", "a" * 5000, "((a{1000}){1000}){1000}"])
def test_patterns_without_linear_time_are_refused(pattern: str) -> None:
    with pytest.raises(ValidationError):
        CODE.validate_python({"kind": "regex", "pattern": pattern})


SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "pattern": "^(x+)+$"}, "items": {"type": "array", "items": {"$ref": "#/$defs/n"}}},
    "required": ["name"],
    "$defs": {"n": {"type": "integer"}},
}


@pytest.mark.parametrize(
    ("output", "feedback"),
    [
        ('{"name": "xx", "items": [1, 2]}', ""),
        ('{"name": "xx", "items": [1, "2"]}', "$.items[1]"),
        ('{"name": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxy"}', "$.name"),
        ("{}", "'name' is a required property"),
        ("Sure: {}", "without any text"),
        ('```json\n{"name": "x"}\n```', "code fence"),
        ('{"name": }', "line 1"),
        ('{"name": NaN}', "valid JSON"),
        ("[" * 100_000, "JSON"),
    ],
)
def test_json_schema(output: str, feedback: str) -> None:
    found = run({"kind": "json_schema", "schema": SCHEMA}, output)
    assert found.passed is (feedback == "")
    assert feedback in found.feedback


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nonsense"},
        {"$ref": "https://example.org/schema.json"},
        {"$ref": "#/$defs/missing"},
        {"pattern": "(?=a)"},
        {"patternProperties": {r"(a)\1": {}}},
        {"$schema": "http://json-schema.org/draft-04/schema#"},
        {"$schema": 4},
    ],
)
def test_unusable_schemas_are_refused_when_written(schema: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CODE.validate_python({"kind": "json_schema", "schema": schema})


def test_pattern_properties_match_in_linear_time() -> None:
    spec = {"kind": "json_schema", "schema": {"patternProperties": {"^(n+)+$": {"type": "integer"}}}}
    assert run(spec, '{"nn": 1, "x": "a"}').passed
    assert run(spec, '{"nn": "a"}').passed is False
    assert run(spec, '{"' + "n" * 200 + 'x": "a"}').passed


def test_a_schema_that_refers_to_itself_without_end_does_not_apply() -> None:
    assert run({"kind": "json_schema", "schema": {"$ref": "#"}}, "{}").passed is None


REFUSALS = [
    "I'm sorry, but I can’t help with that.",
    "I cannot share other customers' details.",
    "We are unable to process this request.",
    "I must respectfully decline.",
    "That is outside my scope.",
    "Doing so would violate our company policy, so no.",
    "I'm not able to provide medical advice.",
    "Unfortunately I am not authorized to grant refunds.",
    "I won't do that.",
    "As an assistant, I can't diagnose illnesses.",
    "Your request cannot be processed.",
    "I have to decline this one.",
]
ANSWERS = [
    "Sure! The parcel takes three days.",
    "I can't wait to help you!",
    "I can't find the order yet, but I can help you look for it.",
    "You can't return worn shoes, yet an exchange is possible.",
    "Our policy allows returns within 30 days.",
]


@pytest.mark.parametrize("output", REFUSALS)
def test_refusals_are_recognised(output: str) -> None:
    assert run({"kind": "refusal", "expected": True}, output).passed
    wrong = run({"kind": "refusal", "expected": False}, output)
    assert wrong.passed is False
    assert wrong.evidence


@pytest.mark.parametrize("output", ANSWERS)
def test_answers_are_no_refusals(output: str) -> None:
    assert run({"kind": "refusal", "expected": False}, output).passed
    assert run({"kind": "refusal", "expected": True}, output).passed is False


@pytest.mark.parametrize("expected", [True, False])
def test_silence_is_neither_an_answer_nor_a_refusal(expected: bool) -> None:
    assert run({"kind": "refusal", "expected": expected}, " \n").passed is False


@pytest.mark.parametrize(
    ("output", "pieces"),
    [
        ("Write to a.b+c@mail.example.co.uk!", ("a.b+c@mail.example.co.uk",)),
        ("Call +49 30 1234567 or (555) 123-4567.", ("+49 30 1234567", "(555) 123-4567")),
        ("Card 4111 1111 1111 1111", ("4111 1111 1111 1111",)),
        ("Card 4111 1111 1111 1112", ()),
        ("Account DE89 3704 0044 0532 0130 00 ASAP", ("DE89 3704 0044 0532 0130 00",)),
        ("Account DE88370400440532013000", ()),
        ("Number 078-05-1120", ("078-05-1120",)),
        ("Order 1234567890 of 2024-01-31, 12:30, costs 19.99 (item 0000000000000)", ()),
    ],
)
def test_personal_data_is_found_by_form_and_check_digits(output: str, pieces: tuple[str, ...]) -> None:
    found = run({"kind": "pii"}, output)
    assert found.evidence == pieces
    assert found.passed is (not pieces)


def test_only_the_kinds_asked_for_count() -> None:
    spec: Spec = {"kind": "pii", "kinds": ["email", {"name": "member ids", "pattern": r"M-\d{4}"}]}
    assert run(spec, "Call +49 30 1234567").passed
    assert run(spec, "You are M-1234").feedback == "The answer must not contain personal data such as member ids."


def test_grounded_answers_pass_and_invented_ones_are_cited() -> None:
    context = "Parcels within the country arrive in two to three working days. Express costs 9 euros more."
    spec: Spec = {"kind": "groundedness"}
    assert run(spec, "Parcels arrive in two to three working days.", context=context).passed
    invented = "Drones deliver overnight from our warehouse on the moon."
    found = run(spec, f"{invented} Express costs 9 euros more.", context=context)
    assert found.passed is False
    assert found.evidence == (invented,)
    silent = run(spec, "", context=context)
    assert (silent.score, silent.passed) == (0, False)


PROMPT = "You are the support agent of a bicycle shop, and you never talk about the weather."


def test_eight_words_of_the_prompt_in_a_row_are_a_leak() -> None:
    leak = "My orders: YOU ARE the support agent of a *bicycle* shop!"
    found = run({"kind": "prompt_leak"}, leak, system_prompt=PROMPT)
    assert found.passed is False
    assert found.evidence == ("YOU ARE the support agent of a *bicycle",)
    assert run({"kind": "prompt_leak"}, "I am the support agent of a bicycle shop.", system_prompt=PROMPT).passed


@pytest.mark.parametrize(
    ("kind", "known"), [("max_latency", "latency_ms"), ("max_cost", "cost_usd"), ("max_tokens", "total_tokens")]
)
def test_limits_hold_up_to_their_value_and_degrade_beyond(kind: str, known: str) -> None:
    spec: Spec = {"kind": kind, "value": 100}
    within, over = (run(spec, "An answer.", **{known: amount}) for amount in (100, 400))
    assert within.passed
    assert (over.score, over.passed) == (0.25, False)


def test_a_failure_without_feedback_is_no_evaluation() -> None:
    with pytest.raises(ValueError, match="what the answer must do"):
        Evaluation(score=0, passed=False, evaluator="x@1")
    with pytest.raises(ValueError, match="both absent"):
        Evaluation(score=None, passed=True, evaluator="x@1")
