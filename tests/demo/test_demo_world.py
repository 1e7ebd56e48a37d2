import asyncio
import importlib.resources
from collections import Counter

import pytest

from spectral_platform.agents.rendering import render_request
from spectral_platform.demo import content, sample_builder
from spectral_platform.llm.providers.simulator import SimulatorProvider
from spectral_platform.worlds.splits import Split
from tests.demo.in_memory_scan import Result, scan, split_samples


@pytest.fixture(scope="module")
def result() -> Result:
    return scan(content.SCAN_DEFAULTS["seed"])


def test_the_packaged_samples_are_what_the_builder_makes() -> None:
    packaged = importlib.resources.files("spectral_platform.demo") / "samples.jsonl"
    assert packaged.read_bytes() == sample_builder.build_samples()


def test_samples_are_unique_varied_and_enough_for_a_sealed_holdout() -> None:
    samples = content.load_samples()
    assert len({sample.content_hash for sample in samples}) == len(samples) >= 180
    counts = {split: len(cases) for split, cases in split_samples().items()}
    assert counts[Split.HOLDOUT] >= 80
    assert counts[Split.DEV] >= 40
    tags = Counter(tag for sample in samples for tag in sample.tags)
    assert tags["personal-data"] > 60
    assert tags["missing-article"] > 10


def test_the_agent_answers_from_its_articles() -> None:
    sample = next(sample for sample in content.load_samples() if sample.expected_output)
    request = render_request(content.agent_config(), input=sample.input_text, context=sample.context, seed=1)
    assert sample.context is not None
    assert sample.context in request.messages[-1].content
    assert asyncio.run(SimulatorProvider().complete(request)).text


def test_the_weights_of_the_rubric_sum_to_one() -> None:
    assert sum(dimension.weight for dimension in content.rubric_dimensions()) == pytest.approx(1)


def test_the_first_scan_of_the_demo_improves_the_agent(result: Result) -> None:
    assert result.gates
    assert all(result.gates.values()), result
    assert result.figures["gain"] > 0.1
    assert result.figures["bound"] > 0.05


def test_its_race_drops_a_candidate_for_harm_and_another_for_want_of_gain(result: Result) -> None:
    fates = Counter(result.fates.values())
    assert fates["harms_authority_a"] >= 1
    assert fates["no_gain"] >= 1
    tempting = next(key for key, rationale in result.rationales.items() if "say yes more often" in rationale)
    assert result.fates[tempting] == "harms_authority_a"


def test_the_finalist_never_learned_to_say_yes_to_everything(result: Result) -> None:
    assert result.finalist is not None
    assert "Never refuse" not in result.finalist.config.template.base_prompt


def test_a_scan_repeats_itself(result: Result) -> None:
    assert scan(content.SCAN_DEFAULTS["seed"]) == result
