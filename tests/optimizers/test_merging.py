import pytest

from spectral_platform.agents.configuration import AgentConfig, Example, Hyperparameters, PromptTemplate
from spectral_platform.optimizers.edits import Component, changed_components
from spectral_platform.optimizers.merging import complementary_pairs, merged

BASE = AgentConfig(
    template=PromptTemplate(base_prompt="You help.\nBe kind."),
    hyperparameters=Hyperparameters(model="sim/standard", temperature=0.7),
)


def config(prompt: str | None = None, *, temperature: float = 0.7, example: str | None = None) -> AgentConfig:
    template = BASE.template.model_copy(
        update={
            "base_prompt": prompt or BASE.template.base_prompt,
            "examples": (Example(input=example, output="yes"),) if example else (),
        }
    )
    parameters = BASE.hyperparameters.model_copy(update={"temperature": temperature})
    return BASE.model_copy(update={"template": template, "hyperparameters": parameters})


CITES = config("You help.\n- Cite.\nBe kind.")
GREETS = config("You help.\nBe kind.\n- Greet.")
COOL = config(temperature=0.0)


@pytest.mark.parametrize(
    ("first", "second", "result"),
    [
        (CITES, COOL, config("You help.\n- Cite.\nBe kind.", temperature=0.0)),
        (COOL, config(example="q"), config(temperature=0.0, example="q")),
        (CITES, GREETS, config("You help.\n- Cite.\nBe kind.\n- Greet.")),
        (CITES, config("You serve."), None),  # rewritten, not added to
        (COOL, config(temperature=1.0), None),  # the same parameters, two ways
        (CITES, BASE, None),
        (CITES, CITES, None),
        (config("You help.\nBe kind.\n- Greet.\n- Cite."), GREETS, None),  # holds the other already
    ],
)
def test_a_merge_has_what_both_changed_or_is_none(first: AgentConfig, second: AgentConfig, result: AgentConfig | None) -> None:
    assert merged(BASE, first, second) == result


def test_only_candidates_that_help_on_different_cases_are_worth_merging() -> None:
    scores = {
        "base": {"1": 0.0, "2": 0.0, "3": 0.0},
        "left": {"1": 1.0, "2": 0.0, "3": 0.5},
        "right": {"1": 0.0, "2": 1.0, "3": 0.5},
        "worse": {"1": 0.5, "2": 0.0, "3": 0.0},
    }

    assert complementary_pairs(scores) == [("left", "right")]
    assert complementary_pairs({"left": scores["left"], "worse": scores["worse"]}) == []
    assert complementary_pairs({}) == []


def test_what_differs_is_told_by_component() -> None:
    assert changed_components(BASE, COOL) == {Component.HYPERPARAMETERS}
    assert changed_components(BASE, BASE) == frozenset()
