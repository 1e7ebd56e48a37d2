"""Asking the judge that a model plays: how many votes, again after an answer that nobody can read, and what it came to."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from spectral_platform.evaluations.dimensions import Dimension
from spectral_platform.evaluations.evaluators.llm_judge import Criterion, LlmJudge
from spectral_platform.evaluations.evaluators.subjects import Evaluation, Subject
from spectral_platform.evaluations.judging import (
    Judgement,
    JudgePrompt,
    UnreadableJudgement,
    build_judge_request,
    criteria_of,
    decide,
    read_judgements,
)
from spectral_platform.llm.calling import PaidAnswer, settle
from spectral_platform.llm.messages import ModelRequest

READINGS = 3
"""So often a vote is asked for until one can be read."""
SELECTION_VOTES = 1
VERDICT_VOTES = 3

Ask = Callable[[ModelRequest], Awaitable[PaidAnswer]]
"""How a model is asked: through whose cache, budget and ledger is the caller's affair."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What the judge found in one dimension. ``cost_usd`` is None when a call has no known price."""

    evaluation: Evaluation
    cost_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class Judge:
    """A model in the part of the judge. ``seed`` gives the seed of a vote's reading; with the same one an answer repeats."""

    model: str
    ask: Ask
    seed: Callable[[int, int], int]
    prompt: JudgePrompt = JudgePrompt.SELECTION

    async def judge(self, dimension: Dimension, subject: Subject) -> Judged:
        """Judge one answer in one dimension, by as many votes as the dimension, else the prompt, asks for.

        Raises ``UnreadableJudgement`` when no vote can be read, and whatever asking raises.
        """
        criteria = criteria_of(dimension)
        votes = await settle(self._vote(criteria, subject, vote) for vote in range(votes_of(dimension, self.prompt)))
        cast = [judgements for judgements, _ in votes if judgements is not None]
        if not cast:
            raise UnreadableJudgement("no vote of the judge could be read")
        costs = [cost for _, paid in votes for cost in paid]
        known = [cost for cost in costs if cost is not None]
        return Judged(decide(criteria, cast), sum(known, Decimal(0)) if len(known) == len(costs) else None)

    async def _vote(
        self, criteria: Sequence[Criterion], subject: Subject, vote: int
    ) -> tuple[tuple[Judgement, ...] | None, list[Decimal | None]]:
        """One vote, None when no reading of it can be made out, and what each reading cost."""
        costs: list[Decimal | None] = []
        for reading in range(READINGS):
            request = build_judge_request(
                self.model, criteria, subject, prompt=self.prompt, vote=vote, seed=self.seed(vote, reading)
            )
            paid = await self.ask(request)
            costs.append(paid.cost_usd)
            try:
                return read_judgements(paid.answer.text, criteria, subject), costs
            except UnreadableJudgement:
                continue
        return None, costs


def votes_of(dimension: Dimension, prompt: JudgePrompt) -> int:
    """How many answers decide by majority: the dimension's own number, else one, and three where a verdict rests on them."""
    own = dimension.evaluator.votes if isinstance(dimension.evaluator, LlmJudge) else None
    return own or (VERDICT_VOTES if prompt is JudgePrompt.VERDICT else SELECTION_VOTES)
