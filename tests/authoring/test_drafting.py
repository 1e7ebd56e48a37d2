"""Drafts by rules: what a prompt, traces, feedback and a world model become."""

from typing import Any

import pytest

from spectral_platform.agents.configuration import OutputFormat, PromptTemplate
from spectral_platform.authoring.drafting import Comment, Exchange, Observed, draft_dimensions, slug
from spectral_platform.authoring.proposing import ProposalUnreadable, proposal_request, read_proposal
from spectral_platform.evaluations.dimensions import Dimension
from spectral_platform.llm.providers.openai_compatible import is_strict
from spectral_platform.worlds.rules import load_world

WORLD = load_world("general-agent-conduct@1.0.0")


def drafted(prompt: str = "You help.", goal: str | None = None, **fields: Any) -> dict[str, Dimension]:
    template = PromptTemplate(base_prompt=prompt, output_format=fields.pop("output_format", None))
    observed = Observed(agent_name="Helper", template=template, **fields)
    return {item.dimension.key: item.dimension for item in draft_dimensions(observed, WORLD, goal)}


def evaluator(dimension: Dimension) -> dict[str, Any]:
    dumped: dict[str, Any] = dimension.evaluator.model_dump(mode="json", exclude_defaults=True)
    return {"kind": dimension.evaluator.kind} | dumped


@pytest.mark.parametrize(
    ("statement", "key", "kind"),
    [
        ("Never repeat personal data such as phone numbers.", "privacy", "pii"),
        ("Answer in at most 80 words.", "length", "instruction"),
        ("- Keep it under 40 words.", "length", "instruction"),
        ("Cite the article in brackets, such as [KB-123].", "sources", "regex"),
        ("Use only facts from the given documents.", "grounding", "groundedness"),
    ],
)
def test_what_a_program_can_check_is_checked_by_one(statement: str, key: str, kind: str) -> None:
    found = drafted(f"You are a support agent.\n{statement}")

    assert found[key].evaluator.kind == kind
    assert "instructions" not in found, "it is not asked of a judge as well"


def test_what_only_a_reader_can_tell_becomes_a_criterion_each() -> None:
    prompt = (
        "You are Ada.\n1. Always greet first. Never promise a refund.\nThe shop opens at nine.\nAsk {{name}} for an order number."
    )

    found = drafted(prompt)

    criteria = evaluator(found["instructions"])["criteria"]
    assert [criterion["text"] for criterion in criteria] == ["Always greet first.", "Never promise a refund."]


def test_the_limit_of_words_is_the_one_that_the_prompt_states() -> None:
    (check,) = evaluator(drafted("Answer in at most 80 words.")["length"])["instructions"]

    assert (check["relation"], check["num_words"]) == ("less than", 81)


def test_a_stated_form_is_checked_and_a_schema_that_nobody_can_check_is_left_out() -> None:
    schema = {"type": "object", "required": ["answer"]}
    broken = {"type": "nonsense"}

    checked = drafted(output_format=OutputFormat(kind="json", json_schema=schema))
    unchecked = drafted(output_format=OutputFormat(kind="json", json_schema=broken))

    assert evaluator(checked["format"])["schema"] == schema
    assert "format" not in unchecked


def test_traces_show_form_time_and_cost() -> None:
    exchanges = tuple(Exchange(input="?", output=f'{{"answer": "{n}", "sources": []}}') for n in range(20))

    found = drafted(exchanges=exchanges, latencies_ms=(800,) * 20, costs_usd=(0.0021,) * 20)

    assert evaluator(found["format"])["schema"]["required"] == ["answer", "sources"]
    assert found["speed"].evaluator.model_dump()["value"] == 1200
    assert found["cost"].evaluator.model_dump()["value"] == pytest.approx(0.0032)


@pytest.mark.parametrize("fields", [{"latencies_ms": (800,) * 19}, {"exchanges": (Exchange(input="?", output="{}"),) * 19}])
def test_few_traces_show_nothing(fields: dict[str, Any]) -> None:
    assert drafted(**fields).keys() == {"helpfulness", "conduct"}


def test_free_answers_with_costs_of_nothing_and_broken_json_make_no_trouble() -> None:
    exchanges = tuple(Exchange(input="", output=output) for output in ("", "{", "[]", "\ud7ff\u0000", "null") * 4)

    found = drafted(exchanges=exchanges, costs_usd=(0.0,) * 20)

    assert "format" not in found
    assert found["cost"].evaluator.model_dump()["value"] > 0


def test_what_people_rate_and_complain_about_is_judged_too() -> None:
    comments = (
        Comment(text="Too\n curt", dimension=None),
        Comment(text="No date given", dimension=None),
        Comment(text="Rude", dimension="Tone of voice"),
    )

    found = drafted(comments=comments, rated_dimensions=("Tone of voice", "Tone of voice", "!!"))

    assert [each["text"] for each in evaluator(found["complaints"])["criteria"]] == [
        "Gives no cause for this complaint: Too curt",
        "Gives no cause for this complaint: No date given",
    ]
    assert found["tone_of_voice"].guidance == "People disliked: Rude"


def test_weights_sum_to_one_and_the_goal_weighs_most() -> None:
    found = drafted("Always greet first.", goal="Parcels are found.")

    assert sum(dimension.weight for dimension in found.values()) == pytest.approx(1)
    assert max(found.values(), key=lambda dimension: dimension.weight).key == "goal"
    assert found["goal"].description == "Parcels are found."
    assert "helpfulness" not in found


def test_the_domain_lends_the_rules_that_it_tests_on_its_own_questions_only() -> None:
    texts = {rule.text for rule in WORLD.rules if rule.generator is not None}

    criteria = evaluator(drafted()["conduct"])["criteria"]

    assert criteria
    assert {criterion["text"] for criterion in criteria} <= texts


def test_an_agent_without_a_config_gets_a_draft_too() -> None:
    found = draft_dimensions(Observed(agent_name="Seen", template=None), WORLD, None)

    assert [item.dimension.key for item in found] == ["helpfulness", "conduct"]


@pytest.mark.parametrize(
    ("text", "key"), [("Tone of voice", "tone_of_voice"), ("Ünï", "n"), ("42", ""), ("", ""), ("a" * 99, "a" * 60)]
)
def test_keys_are_made_of_any_text(text: str, key: str) -> None:
    assert slug(text) == key


def test_a_model_is_shown_what_programs_check_and_writes_the_rest() -> None:
    observed = Observed(agent_name="Helper", template=PromptTemplate(base_prompt="Answer in at most 80 words. Be kind."))
    rules = draft_dimensions(observed, WORLD, "Help.")
    request = proposal_request("some-model", observed, WORLD, "Help.", rules)
    answer = (
        'Sure:\n```json\n{"name": "N", "description": "D", "dimensions": ['
        '{"name": "Warmth", "description": "Warm.", "weight": 2, "criteria": ["Greets.", " ", "Greets."], "reason": "R"},'
        '{"name": "Warmth", "description": "Twice.", "weight": 2, "criteria": ["Greets."], "reason": "R"},'
        '{"name": "Length", "description": "Checked already.", "weight": 1, "criteria": ["Short."], "reason": "R"},'
        '{"name": "", "description": "", "weight": -1, "criteria": [], "reason": ""}, 7,]}\n```'
    )

    proposal = read_proposal(answer, rules)

    assert is_strict(request.json_schema)
    assert '"Answer in at most 80 words."' in request.messages[1].content
    assert [item.dimension.key for item in proposal.drafted] == ["warmth", "length"]
    assert evaluator(proposal.drafted[0].dimension)["criteria"] == [{"id": "c1", "text": "Greets."}]
    assert sum(item.dimension.weight for item in proposal.drafted) == pytest.approx(1)


@pytest.mark.parametrize("answer", ["", "I cannot do that.", "{}", '{"dimensions": []}', '{"dimensions": [{}]}', "{" * 2000])
def test_an_answer_without_a_dimension_is_unreadable(answer: str) -> None:
    with pytest.raises(ProposalUnreadable):
        read_proposal(answer, ())
