from typing import Any

import pytest

from spectral_platform.agents.configuration import (
    AgentConfig,
    ContextSelection,
    ContextStrategy,
    Example,
    Hyperparameters,
    PromptTemplate,
    Truncation,
)
from spectral_platform.optimizers.arms import propose_arms
from spectral_platform.optimizers.edits import (
    MAX_PROMPT_CHARACTERS,
    Component,
    Edit,
    Strategy,
    apply_edit,
    candidate_from,
    component_text,
    config_key,
    edit_problems,
    text_components,
)
from spectral_platform.optimizers.few_shot import propose_examples
from spectral_platform.optimizers.headroom import is_mentioned, probe_config
from spectral_platform.optimizers.reflection import CriterionFeedback, ReflectionCase
from spectral_platform.optimizers.rules import propose_rule

PARENT = AgentConfig(
    template=PromptTemplate(
        base_prompt="You help the customers of {{shop}}.", user_prompt="{{context}}\n{{input}}", variables=("shop",)
    ),
    hyperparameters=Hyperparameters(model="sim/standard", temperature=0.7),
)


def prompt_edit(text: str) -> Edit:
    return Edit(component=Component.BASE_PROMPT, text=text, rationale="It may help.")


def test_an_edit_changes_its_component_and_nothing_else() -> None:
    child = apply_edit(PARENT, prompt_edit("You help {{shop}} kindly."))
    assert child.template.base_prompt == "You help {{shop}} kindly."
    assert child.template.user_prompt == PARENT.template.user_prompt
    assert child.hyperparameters == PARENT.hyperparameters


def test_a_candidate_is_named_by_its_content() -> None:
    first = candidate_from(PARENT, prompt_edit("For {{shop}}."), strategy=Strategy.REFLECTIVE)
    again = candidate_from(PARENT, prompt_edit("For {{shop}}."), strategy=Strategy.RULES)
    other = candidate_from(PARENT, prompt_edit("For {{shop}}!"), strategy=Strategy.REFLECTIVE)
    assert first.key == again.key == config_key(first.config)
    assert first.key != other.key
    assert first.parent_key == config_key(PARENT)


ANSWER = "Parcels leave our warehouse in Kiel each weekday at four and arrive two days later."


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("You help the customers of {{shop}}.", "changes nothing"),
        ("You help the customers.", "placeholders shop are lost"),
        ("You help {{shop}} and {{town}}.", "placeholders town have no value"),
        ("{{shop}} " + "x" * MAX_PROMPT_CHARACTERS, "characters"),
        (f"You help {{{{shop}}}}. {ANSWER}", "words in a row"),
        ("You help {{shop}}. The key is sk_live_4eC39HqLyjWDarjtT1zdp7dc.", "secret"),
        ("You help {{shop}}. Use AKIAIOSFODNN7EXAMPLE to sign.", "secret"),
    ],
)
def test_an_edit_is_refused_with_its_reason(text: str, reason: str) -> None:
    problems = edit_problems(PARENT, prompt_edit(text), train_answers=[ANSWER])
    assert any(reason in problem for problem in problems), problems


def test_an_honest_edit_is_not_refused() -> None:
    edit = prompt_edit("You help the customers of {{shop}}. Parcels leave on weekdays, so never promise a Sunday.")
    assert edit_problems(PARENT, edit, train_answers=[ANSWER], tried=[config_key(PARENT)]) == ()


def test_what_was_tried_is_refused_whatever_the_rationale() -> None:
    edit = prompt_edit("You help {{shop}} kindly.")
    tried = [config_key(apply_edit(PARENT, edit))]
    again = edit.model_copy(update={"rationale": "Another story."})
    assert edit_problems(PARENT, again, tried=tried) == ("This config was tried before.",)


def test_a_run_of_words_that_the_parent_had_already_is_no_memory_of_an_answer() -> None:
    parent = apply_edit(PARENT, prompt_edit(f"You help {{{{shop}}}}. {ANSWER}"))
    edit = prompt_edit(f"You help {{{{shop}}}}. {ANSWER} Be kind.")
    assert edit_problems(parent, edit, train_answers=[ANSWER]) == ()


def test_arms_change_one_parameter_each_and_skip_what_is_set() -> None:
    arms = propose_arms(PARENT, models=("sim/standard", "sim/mini"), temperatures=(0.0, 0.7))
    assert [(arm.config.hyperparameters.model, arm.config.hyperparameters.temperature) for arm in arms] == [
        ("sim/mini", 0.7),
        ("sim/standard", 0.0),
    ]
    assert {arm.strategy for arm in arms} == {Strategy.ARMS}


def feedback(criterion: str, *, passed: bool = False, requirement: str = "") -> CriterionFeedback:
    sentence = "" if passed else f"The answer must do {criterion}."
    return CriterionFeedback(criterion=criterion, passed=passed, requirement=requirement, feedback=sentence)


def test_the_commonest_failure_becomes_one_instruction_line() -> None:
    failures = [feedback("tone"), feedback("source", requirement="Name the source."), feedback("source"), feedback("source")]
    candidate = propose_rule(PARENT, [*failures, feedback("length", passed=True)])
    assert candidate is not None
    assert candidate.config.template.base_prompt.splitlines()[1:] == ["- The answer must do source."]
    assert candidate.strategy is Strategy.RULES


def test_a_requirement_is_preferred_to_feedback_and_skipped_criteria_stay_out() -> None:
    failures = [feedback("source"), feedback("source"), feedback("tone", requirement="Be kind.")]
    candidate = propose_rule(PARENT, failures, skip={"source"})
    assert candidate is not None
    assert candidate.config.template.base_prompt.endswith("\n- Be kind.")
    assert propose_rule(PARENT, failures, skip={"source", "tone"}) is None


def case(name: str, *, score: float, passed: bool = True) -> ReflectionCase:
    return ReflectionCase(
        input=f"in {name}", output=f"out {name}", score=score, is_passing=passed, criteria=(feedback("a", passed=passed),)
    )


def test_examples_are_the_best_passing_training_answers() -> None:
    cases = [case("weak", score=0.6), case("best", score=1.0), case("good", score=0.9), case("bad", score=1.0, passed=False)]
    (candidate,) = propose_examples(PARENT, cases, seed=1, count=2)
    assert candidate.config.template.examples == (
        Example(input="in best", output="out best"),
        Example(input="in good", output="out good"),
    )
    assert propose_examples(PARENT, cases[3:], seed=1) == ()


TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "find", "description": "Finds.", "parameters": {"type": "object"}},
}
ARMED = PARENT.model_copy(update={"template": PARENT.template.model_copy(update={"tools": (TOOL, {"name": "plain"})})})


def test_descriptions_of_tools_are_one_component_and_nothing_else_of_a_tool_changes() -> None:
    assert component_text(ARMED, Component.TOOL_DESCRIPTIONS) == '{\n  "find": "Finds.",\n  "plain": ""\n}'
    edit = Edit(component=Component.TOOL_DESCRIPTIONS, text='{"plain": "Does.", "find": "Finds by name."}', rationale="Clearer.")

    child = apply_edit(ARMED, edit)

    assert edit_problems(ARMED, edit) == ()
    assert child.template.tools == (
        {**TOOL, "function": {**TOOL["function"], "description": "Finds by name."}},
        {"name": "plain", "description": "Does."},
    )
    assert text_components(ARMED) == (Component.BASE_PROMPT, Component.TOOL_DESCRIPTIONS)
    assert text_components(PARENT) == (Component.BASE_PROMPT,)  # its user prompt only carries values


@pytest.mark.parametrize(
    "text", ["no JSON", "[]", '{"find": "x"}', '{"find": "x", "plain": 1}', '{"find": "", "plain": "", "z": ""}']
)
def test_descriptions_must_be_of_the_agents_tools_and_of_all_of_them(text: str) -> None:
    edit = Edit(component=Component.TOOL_DESCRIPTIONS, text=text, rationale="Clearer.")
    assert "one JSON object" in edit_problems(ARMED, edit)[0]
    assert apply_edit(ARMED, edit) == ARMED


def test_arms_vary_what_the_config_sets() -> None:
    selection = ContextSelection(strategy=ContextStrategy.SIMILAR, max_items=4, max_tokens=100, truncation=Truncation.ITEMS)
    parent = PARENT.model_copy(
        update={
            "template": PARENT.template.model_copy(update={"context_selection": selection}),
            "hyperparameters": PARENT.hyperparameters.model_copy(update={"top_p": 0.95, "max_output_tokens": 400}),
        }
    )

    arms = propose_arms(parent, temperatures=())

    assert [arm.config.hyperparameters.top_p for arm in arms] == [0.8, 0.95, 0.95, 0.95, 0.95]
    assert [arm.config.hyperparameters.max_output_tokens for arm in arms] == [400, 200, 800, 400, 400]
    assert [arm.config.template.context_selection.max_items for arm in arms if arm.config.template.context_selection] == [
        4,
        4,
        4,
        2,
        8,
    ]
    assert len({arm.key for arm in arms}) == 5


def test_examples_of_one_set_are_unlike_and_sets_share_none() -> None:
    cases = [case(f"where is my order number {number}", score=1.0) for number in range(4)]
    cases += [case(name, score=0.9) for name in ("tents", "stoves", "boots")]

    first, second = propose_examples(PARENT, cases, seed=1, count=2)

    inputs = [[example.input for example in candidate.config.template.examples] for candidate in (first, second)]
    assert all(sum("order" in text for text in found) <= 1 for found in inputs)
    assert not set(inputs[0]) & set(inputs[1])


def test_a_requirement_that_the_prompt_states_needs_no_probing() -> None:
    stated = "Name the source of every answer."
    probe = probe_config(PARENT, [stated, "Greet  the\ncustomer.", stated])

    assert probe.template.base_prompt.splitlines() == [PARENT.template.base_prompt, f"- {stated}", "- Greet the customer."]
    assert is_mentioned(probe.template.base_prompt, stated)
    assert not is_mentioned(PARENT.template.base_prompt, stated)
