"""Running a config on cases and evaluating what comes back: the one way in which any phase gets figures."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any
from uuid import UUID

from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.agents.errors import PromptTooLong
from spectral_platform.agents.replaying import execution_purpose, execution_request
from spectral_platform.core.randomness import derive
from spectral_platform.core.values import Value
from spectral_platform.evaluations.asking import Judge
from spectral_platform.evaluations.comparing import compared
from spectral_platform.evaluations.dimensions import Dimension
from spectral_platform.evaluations.evaluators.subjects import Evaluation, Subject, excerpt
from spectral_platform.evaluations.judging import JudgePrompt, UnreadableJudgement
from spectral_platform.evaluations.scoring import (
    CaseScore,
    CaseStatus,
    DimensionEvaluation,
    Measures,
    References,
    RuleEvaluation,
    score_case,
)
from spectral_platform.evaluations.trajectories.recordings import ToolUse
from spectral_platform.llm.calling import CallLabel, ModelCaller, PaidAnswer, settle
from spectral_platform.llm.errors import ProviderDenied, ProviderRejected, ProviderUnavailable
from spectral_platform.llm.messages import ModelRequest, Role, ToolCall
from spectral_platform.llm.purposes import Purpose
from spectral_platform.scans.cases import Case
from spectral_platform.scans.conversing import OutOfTime, converse
from spectral_platform.scans.replay import Replay
from spectral_platform.scans.standard import Standard
from spectral_platform.scans.states import Phase

SEED_BITS = 31
CEILINGS = frozenset({"cost_usd", "total_tokens"})
"""What a request bounds by itself; a time it does not."""


class TrialStatus(StrEnum):
    """What came of running a config on a case."""

    ANSWERED = "answered"
    AGENT_ERROR = "agent_error"
    UNSCORED = "unscored"
    """Spectral or a provider failed, not the agent: the trial says nothing and is never a silent 0."""
    UNCOVERED = "uncovered"
    """A tool was asked for what no recording answers, so the run has no end: the case is left out of whatever is compared."""


UNMEASURED = Measures()
WITHOUT_SCORE = frozenset({TrialStatus.UNSCORED, TrialStatus.UNCOVERED})


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of a config on a case with everything that was evaluated; ``problem`` is why there was no answer to evaluate.

    ``tool_calls`` are all that were made where recordings answer them, and ``tool_use`` how many they answered. ``ceiling`` is
    what the answer can have taken at most, by its request and its price, where a limit asks for it and anything bounds it.
    """

    case: Case
    repeat: int
    status: TrialStatus
    output: str
    rules: tuple[RuleEvaluation, ...] = ()
    dimensions: tuple[DimensionEvaluation, ...] = ()
    measures: Measures = UNMEASURED
    ceiling: Measures = UNMEASURED
    problem: str | None = None
    tool_calls: tuple[ToolCall, ...] | None = None
    tool_use: ToolUse | None = None

    _scored: tuple[Standard, References, CaseScore] | None = field(default=None, init=False, repr=False, compare=False)
    """The last score and what it rests on: a race pairs the same trials again after every block."""

    def score(self, standard: Standard, references: References) -> CaseScore | None:
        """The vector of scores; None when there is nothing to score."""
        if self.status in WITHOUT_SCORE:
            return None
        if self._scored is None or self._scored[0] is not standard or self._scored[1] is not references:
            score = score_case(
                rules=self.rules,
                dimensions=self.dimensions,
                measures=self.measures,
                terms=standard.terms,
                references=references,
                status=CaseStatus.AGENT_ERROR if self.status is TrialStatus.AGENT_ERROR else CaseStatus.ANSWERED,
            )
            object.__setattr__(self, "_scored", (standard, references, score))
            return score
        return self._scored[2]

    def composite(self, standard: Standard, references: References) -> float:
        """The composite by itself, for what ranks trials of one config; 0 where there is none."""
        score = self.score(standard, references)
        return 0.0 if score is None or score.composite is None else score.composite


class TrialPlan(Value):
    """How a batch of trials is run: for which phase, how strictly it is judged, how often each case is run."""

    phase: Phase
    candidate: str
    first_repeat: int = 0
    repeats: int = 1
    is_verdict: bool = False
    is_sealed: bool = False
    """Whether it runs on the holdout, with what of the budget is kept for that."""
    agent_id: UUID | None = None
    """Whose recordings answer its tools; None = nobody's."""


class Bench:
    """Runs trials for one scan. Everything random derives from the scan's seed and the case's content."""

    def __init__(
        self,
        caller: ModelCaller,
        standard: Standard,
        *,
        judge_model: str | None,
        embedding_model: str | None = None,
        seed: int,
        deadline: float,
        replay: Replay | None = None,
    ) -> None:
        self._caller = caller
        self._standard = standard
        self._judge_model = judge_model
        self._embedding_model = embedding_model
        self._seed = seed
        self._deadline = deadline
        self._has_ceilings = any(
            constraint.metric in CEILINGS and constraint.operator == "<=" for constraint in standard.constraints
        )
        self.replay = replay or Replay()

    @property
    def is_out_of_time(self) -> bool:
        """Whether the scan's time budget is spent."""
        return time.monotonic() > self._deadline

    async def run(self, config: AgentConfig, cases: Iterable[Case], plan: TrialPlan) -> list[Trial]:
        """Run the config on every case, side by side, in the cases' order. Raises ``OutOfTime`` past the deadline.

        The last answers are about to be stored, as ``ModelCaller.ask`` says.
        """
        repeats = range(plan.first_repeat, plan.first_repeat + plan.repeats)
        return await settle(self._run_one(config, case, repeat, plan) for case in cases for repeat in repeats)

    async def _run_one(self, config: AgentConfig, case: Case, repeat: int, plan: TrialPlan) -> Trial:
        if self.is_out_of_time:
            raise OutOfTime
        seed = derive(self._seed, "agent", case.key, repeat) % 2**SEED_BITS
        try:
            request = execution_request(config, input=case.input, context=case.context, seed=seed)
        except PromptTooLong as error:
            return self._failed(case, repeat, UNMEASURED, error.detail)
        label = self._label(plan, execution_purpose(config), case, repeat)
        playback = self.replay.open(plan.agent_id, case)
        known: dict[str, Any] = {"ceiling": self._ceiling(request) if playback is None else UNMEASURED}
        try:
            said = await converse(self._caller, request, label, playback=playback, deadline=self._deadline)
        except (ProviderUnavailable, ProviderDenied) as error:
            return Trial(case=case, repeat=repeat, status=TrialStatus.UNSCORED, output="", problem=error.detail, **known)
        except ProviderRejected as error:
            return replace(self._failed(case, repeat, UNMEASURED, error.detail), **known)
        measured = _measures(said.turns)
        known["measures"] = measured
        if playback is not None:
            known |= {"tool_calls": said.calls, "tool_use": playback.use}
        if said.unanswered is not None:
            problem = f"No recording answers this call: {excerpt(said.unanswered.written())}."
            return Trial(case=case, repeat=repeat, status=TrialStatus.UNCOVERED, output="", problem=problem, **known)
        output = said.output
        if said.problem is not None or not output.strip():
            failed = self._failed(case, repeat, measured, said.problem or "The answer is empty.")
            return replace(failed, **known)
        subject = _subject(case, request, output, measured, said.calls)
        rules = self._standard.apply_rules(case, subject)
        try:
            if case.kind == "sample" and self._embedding_model is not None:
                subject = await self.compare(subject, self._label(plan, Purpose.EMBEDDING, case, repeat))
        except (ProviderUnavailable, ProviderRejected):  # words would be another measure than in the other trials
            return Trial(case=case, repeat=repeat, status=TrialStatus.UNSCORED, output=output, **known)
        dimensions = self._standard.apply_code(case, subject)
        if case.kind == "sample" and self._standard.judged:
            try:
                judged = await settle(self._judge(dimension, subject, case, repeat, plan) for dimension in self._standard.judged)
            except (ProviderUnavailable, ProviderRejected, UnreadableJudgement):
                return Trial(case=case, repeat=repeat, status=TrialStatus.UNSCORED, output=output, **known)
            dimensions = (*dimensions, *judged)
        return Trial(
            case=case,
            repeat=repeat,
            status=TrialStatus.ANSWERED,
            output=output,
            rules=rules,
            dimensions=dimensions,
            **known,
        )

    def _ceiling(self, request: ModelRequest) -> Measures:
        """What one answer can take at most, where a limit asks for it: to compute it costs as much as a reservation."""
        if not self._has_ceilings:
            return UNMEASURED
        cost, tokens = self._caller.ceiling(request)
        return Measures(cost_usd=None if cost is None else float(cost), total_tokens=None if tokens is None else float(tokens))

    async def compare(self, subject: Subject, label: CallLabel) -> Subject:
        """The subject with its similarity by embeddings, where a dimension asks for it and the workspace has a model for it."""
        return await compared(
            subject,
            self._standard.dimensions,
            model=self._embedding_model,
            ask=lambda request: self._caller.ask(request, label),
        )

    def _failed(self, case: Case, repeat: int, measures: Measures, problem: str) -> Trial:
        """An agent that gives nothing fails everything that it would have been held to."""
        subject = Subject(input=case.text, output="", context=case.context, expected_output=case.expected_output)
        silent = Evaluation.failure("agent@1", "The agent gave no valid answer.")
        rules = tuple(replace(item, evaluation=silent, critical=False) for item in self._standard.apply_rules(case, subject))
        dimensions = tuple(
            DimensionEvaluation(key=dimension.key, weight=dimension.weight, minimum=dimension.minimum, evaluation=silent)
            for dimension in self._standard.dimensions
        )
        return Trial(
            case=case,
            repeat=repeat,
            status=TrialStatus.AGENT_ERROR,
            output="",
            rules=rules,
            dimensions=() if case.kind == "stimulus" else dimensions,
            measures=measures,
            problem=problem,
        )

    async def _judge(
        self, dimension: Dimension, subject: Subject, case: Case, repeat: int, plan: TrialPlan
    ) -> DimensionEvaluation:
        assert self._judge_model is not None
        label = self._label(plan, Purpose.SCORING, case, repeat)
        judge = Judge(
            model=self._judge_model,
            ask=lambda request: self._caller.ask(request, label),
            seed=lambda vote, reading: derive(self._seed, "judge", case.key, repeat, vote, reading) % 2**SEED_BITS,
            prompt=JudgePrompt.VERDICT if plan.is_verdict else JudgePrompt.SELECTION,
        )
        judged = await judge.judge(dimension, subject)
        return DimensionEvaluation(
            key=dimension.key, weight=dimension.weight, minimum=dimension.minimum, evaluation=judged.evaluation
        )

    def _label(self, plan: TrialPlan, purpose: Purpose, case: Case, repeat: int) -> CallLabel:
        return CallLabel(
            phase=plan.phase,
            purpose=purpose,
            candidate=plan.candidate,
            case_key=case.key,
            repeat=repeat,
            may_use_held=plan.is_sealed or plan.phase is Phase.DIAGNOSE,  # by then the holdout has had its share
            is_sealed=plan.is_sealed,
        )


def _subject(case: Case, request: ModelRequest, output: str, measures: Measures, tool_calls: tuple[ToolCall, ...]) -> Subject:
    return Subject(
        input=case.text,
        output=output,
        expected_output=case.expected_output,
        context=case.context,
        system_prompt=next((message.content for message in request.messages if message.role is Role.SYSTEM), None),
        metadata=case.metadata,
        latency_ms=None if measures.latency_ms is None else round(measures.latency_ms),
        cost_usd=measures.cost_usd,
        total_tokens=None if measures.total_tokens is None else round(measures.total_tokens),
        tool_calls=tool_calls,
    )


def _measures(turns: Sequence[PaidAnswer]) -> Measures:
    """What all turns took together; what is not known of one of them is known of none."""
    costs = [turn.cost_usd for turn in turns]
    tokens = [turn.answer.total_tokens for turn in turns]
    return Measures(
        cost_usd=None if None in costs else float(sum(cost for cost in costs if cost is not None)),
        latency_ms=float(sum(turn.answer.latency_ms for turn in turns)),
        total_tokens=None if None in tokens else float(sum(count for count in tokens if count is not None)),
    )
