import asyncio
import json

import pytest

from spectral_platform.agents.configuration import AgentConfig, Hyperparameters, PromptTemplate
from spectral_platform.llm.messages import ModelRequest
from spectral_platform.llm.providers.openai_compatible import is_strict
from spectral_platform.llm.providers.simulator import SimulatorProvider
from spectral_platform.optimizers.edits import Component, Edit, edit_problems
from spectral_platform.optimizers.errors import ProposalUnreadable
from spectral_platform.optimizers.reflection import (
    ClusterCard,
    CriterionFeedback,
    ReflectionCase,
    TriedEdit,
    parse_proposal,
    reflection_request,
)

PARENT = AgentConfig(
    template=PromptTemplate(base_prompt="You help the customers of a shop."),
    hyperparameters=Hyperparameters(model="sim/standard"),
)
FAILED = (
    CriterionFeedback(criterion="sources", passed=False, requirement="Name the source of every fact."),
    CriterionFeedback(criterion="privacy", passed=False, feedback="The answer must not contain personal data."),
    CriterionFeedback(criterion="tone", passed=True),
)
CASES = (
    ReflectionCase(input="When?", context="[KB-1] Monday.", output="On Monday.", score=0.4, is_passing=False, criteria=FAILED),
    ReflectionCase(input="Where?", output="Here.", score=0.5, is_passing=False, criteria=FAILED[:1]),
)
CLUSTER = ClusterCard(signature="s1", label="no source", size=2, share=1.0, severity="major", criteria=("sources",))


def request(*, attempt: int = 1, tried: tuple[TriedEdit, ...] = ()) -> ModelRequest:
    return reflection_request(PARENT, cluster=CLUSTER, cases=CASES, tried=tried, attempt=attempt, model="sim/proposer", seed=1)


def proposed(*, attempt: int = 1, tried: tuple[TriedEdit, ...] = ()) -> Edit:
    answer = asyncio.run(SimulatorProvider().complete(request(attempt=attempt, tried=tried)))
    return parse_proposal(answer.text, PARENT)


def test_the_request_shows_the_component_the_failures_and_what_was_tried() -> None:
    shown = json.loads(request(tried=(TriedEdit(rationale="Be kind.", outcome="no_gain"),)).messages[1].content)
    assert shown["component"] == {"name": "base_prompt", "text": "You help the customers of a shop."}
    assert shown["cases"][0]["criteria"][0]["requirement"] == "Name the source of every fact."
    assert shown["tried"] == [{"rationale": "Be kind.", "outcome": "no_gain"}]
    assert shown["cluster"]["signature"] == "s1"


def test_providers_can_hold_the_answer_to_its_schema() -> None:
    assert is_strict(request().json_schema)


def test_the_simulated_proposer_makes_instructions_of_the_feedback() -> None:
    edit = proposed()
    assert edit.component is Component.BASE_PROMPT
    assert edit.text == ("You help the customers of a shop.\n- Name the source of every fact.\n- Never contain personal data.")
    assert "[sources]" in edit.rationale
    assert edit_problems(PARENT, edit) == ()


def test_what_was_tried_for_a_criterion_comes_last() -> None:
    tried = (TriedEdit(rationale="Answers kept failing [sources].", outcome="no_gain"),) * 2
    text = proposed(tried=tried).text or ""
    assert text.index("personal data") < text.index("source of every")


def test_attempts_differ_and_some_are_tempting() -> None:
    texts = [proposed(attempt=attempt).text or "" for attempt in range(8)]
    assert any("Never refuse" in text for text in texts)
    assert any("extremely concise" in text for text in texts)
    assert any("source of every fact" in text for text in texts)


def test_a_temptation_that_was_found_out_is_not_offered_again() -> None:
    text, rationale = proposed(attempt=0).text or "", proposed(attempt=0).rationale
    assert "Never refuse" in text
    found_out = (TriedEdit(rationale=rationale, outcome="harms_authority_a"),)
    assert "Never refuse" not in (proposed(attempt=0, tried=found_out).text or "")


@pytest.mark.parametrize(
    "answer",
    [
        '{"component": "base_prompt", "text": "New.", "rationale": "Why."}',
        'Here you are:\n```json\n{"component": "base_prompt", "text": "New.", "rationale": "Why.",}\n```\nEnjoy!',
        'Sure! {"component": "base_prompt", "text": "New.", "rationale": "Why."} Hope it helps.',
        '{"component": "base_prompt", "rationale": "Why.", "edits": [{"find": "You help the customers of a shop.", '
        '"replace": "New."}]}',
        '{"component": "base_prompt", "rationale": "Why.", "text": "", "edits": [{"find": "You help the customers of a shop.", '
        '"replace": "New."}]}',
    ],
)
def test_answers_are_read_in_every_usual_disguise(answer: str) -> None:
    assert parse_proposal(answer, PARENT) == Edit(component=Component.BASE_PROMPT, text="New.", rationale="Why.")


@pytest.mark.parametrize(
    "answer",
    [
        "I would rather not.",
        '{"component": "weights", "text": "New.", "rationale": "Why."}',
        '{"component": "base_prompt", "text": "New."}',
        '{"component": "base_prompt", "rationale": "Why.", "edits": [{"find": "nowhere", "replace": "x"}]}',
        '{"component": "base_prompt", "text": "cut of',
    ],
)
def test_an_unreadable_answer_is_said_to_be_one(answer: str) -> None:
    with pytest.raises(ProposalUnreadable):
        parse_proposal(answer, PARENT)
