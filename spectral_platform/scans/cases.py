"""The cases of a scan: the workspace's samples and the world model's fresh stimuli."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import orjson
from pydantic import Field

from spectral_platform.core.randomness import derive
from spectral_platform.core.values import Value
from spectral_platform.samples.models import PublishedSample
from spectral_platform.scans.quoting import DEV_STIMULI, HOLDOUT_STIMULI, TRAIN_STIMULI
from spectral_platform.worlds.rules import WorldModel
from spectral_platform.worlds.splits import Split
from spectral_platform.worlds.stimuli import Stimulus, issue_stimuli

STIMULUS_COUNTS = {Split.TRAIN: TRAIN_STIMULI, Split.DEV: DEV_STIMULI, Split.HOLDOUT: HOLDOUT_STIMULI}


class Case(Value):
    """One case. A sample answers to both authorities, a stimulus to the world model alone.

    ``stimulus`` is what the world model issued.
    """

    key: str
    kind: Literal["sample", "stimulus"]
    split: Split
    content_group: str
    input: str | dict[str, str]
    context: str | None = None
    expected_output: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    tags: tuple[str, ...] = ()
    source_trace_id: str | None = None
    stimulus: Stimulus | None = None

    @property
    def text(self) -> str:
        """The input as one text."""
        if isinstance(self.input, str):
            return self.input
        return "\n".join(f"{name}: {value}" for name, value in self.input.items())


def stimulus_case(stimulus: Stimulus, split: Split) -> Case:
    """A stimulus as a case of one split."""
    return Case(
        key=stimulus.key,
        kind="stimulus",
        split=split,
        content_group=stimulus.key,
        input=stimulus.input,
        context=stimulus.context,
        expected_output=stimulus.expected_output,
        stimulus=stimulus,
    )


def fresh_stimuli(world: WorldModel, seed: int, split: Split) -> tuple[Case, ...]:
    """The stimuli that the world model issues for this seed and one split."""
    issued = issue_stimuli(world, seed=derive(seed, "evalset"), purpose=split, count=STIMULUS_COUNTS[split])
    return tuple(stimulus_case(stimulus, split) for stimulus in issued)


def sample_case(sample: PublishedSample, split: Split) -> Case:
    """A published sample as a case of one split."""
    return Case(
        key=sample.content_hash,
        kind="sample",
        split=split,
        content_group=sample.content_group,
        input=_variables(sample.content.input),
        context=sample.content.context,
        expected_output=sample.content.expected_output,
        metadata=sample.content.metadata,
        tags=tuple(sample.content.tags),
        source_trace_id=sample.content.source_trace_id,
    )


def _variables(value: str | dict[str, object]) -> str | dict[str, str]:
    if isinstance(value, str):
        return value
    return {name: part if isinstance(part, str) else orjson.dumps(part).decode() for name, part in value.items()}


class CaseBook(Value):
    """Cases of a scan, in an order that no id or clock decides."""

    cases: tuple[Case, ...]

    def select(self, split: Split, kind: Literal["sample", "stimulus"] | None = None) -> tuple[Case, ...]:
        """The cases of a split, of one kind or of both."""
        return tuple(case for case in self.cases if case.split is split and kind in (None, case.kind))

    def groups(self, split: Split) -> list[tuple[Case, ...]]:
        """The samples of a split, near-duplicates together: what counts as one case of evidence."""
        groups: dict[str, list[Case]] = {}
        for case in self.select(split, "sample"):
            groups.setdefault(case.content_group, []).append(case)
        return [tuple(cases) for cases in groups.values()]


def interleave(first: Sequence[Case], second: Sequence[Case]) -> Iterable[Case]:
    """Both lists in proportion, so that every block of the result holds its share of each."""
    positions = [((index + 0.5) / len(cases), case) for cases in (first, second) for index, case in enumerate(cases)]
    return (case for _, case in sorted(positions, key=lambda pair: (pair[0], pair[1].key)))
