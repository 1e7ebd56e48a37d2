"""What kind of failure a cluster looks like, and who can do something about it."""

import pytest

from spectral_platform.agents.configuration import AgentConfig, Hyperparameters, PromptTemplate
from spectral_platform.changesets.clusters.categories import Category, guess_category
from spectral_platform.changesets.clusters.findings import Addressable
from spectral_platform.scans.cards import addressable

CITE = "Name the article that every claim rests on."


@pytest.mark.parametrize(
    ("fingerprint", "evaluators", "texts", "expected"),
    [
        (("detector:unchanged_retry", "tool:x"), [], ["Cite the source."], Category.STEP_REPEATED),
        (("trace:error",), [], [""], Category.SYSTEM_FAILURE),
        (("sources",), ["groundedness@1"], ["Cite the source."], Category.INVENTED_CONTENT),
        (("sources",), ["llm_judge@1", "json_schema@2", "json_schema@2"], [], Category.INSTRUCTION_IGNORED),
        (
            ("sources",),
            ["regex@1"],
            ["It made up a price.", "It made up a date.", "Too many words."],
            Category.INVENTED_CONTENT,
        ),
        ((), ["regex@1"], ["Ask back: the request is ambiguous."], Category.REQUEST_UNCLEAR),
        ((), [], ["Hm."], Category.UNDETERMINED),
        ((), [], [], Category.UNDETERMINED),
    ],
)
def test_what_is_known_counts_before_what_is_told(
    fingerprint: tuple[str, ...], evaluators: list[str], texts: list[str], expected: Category
) -> None:
    assert guess_category(fingerprint, evaluators, texts) is expected


@pytest.mark.parametrize(
    ("category", "criterion", "prompt", "expected"),
    [
        (Category.INSTRUCTION_IGNORED, "sources", "Be kind.", Addressable.PROMPT),
        (Category.INSTRUCTION_IGNORED, "sources", "Always name the article that each claim rests on.", Addressable.MODEL),
        (Category.INSTRUCTION_IGNORED, "unknown", "Be kind.", Addressable.PROMPT),
        (Category.SYSTEM_FAILURE, "trace:error", "Be kind.", Addressable.TOOL),
        (Category.REQUEST_UNSUPPORTED, "detector:empty_retrieval", "Be kind.", Addressable.DATA),
        (Category.STEP_REPEATED, "detector:repeated_call", "Be kind.", Addressable.PROMPT),
    ],
)
def test_a_failure_is_the_model_s_only_where_the_prompt_asks_already(
    category: Category, criterion: str, prompt: str, expected: Addressable
) -> None:
    config = AgentConfig(template=PromptTemplate(base_prompt=prompt), hyperparameters=Hyperparameters(model="sim/standard"))
    assert addressable(category, criterion, config, {"sources": CITE}) is expected
