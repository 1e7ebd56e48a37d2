"""Looking at answers by a rubric while somebody waits: by code at once, by the judge within a budget and a minute.

The judge is asked as on the holdout, because what is shown must be what a verdict would rest on. No transaction is open here.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from spectral_platform.core.errors import SpectralError
from spectral_platform.core.randomness import derive
from spectral_platform.core.settings import Settings
from spectral_platform.evaluations.asking import Judge
from spectral_platform.evaluations.comparing import compared
from spectral_platform.evaluations.dimensions import Dimension
from spectral_platform.evaluations.evaluators.subjects import Subject
from spectral_platform.evaluations.judging import JudgePrompt, UnreadableJudgement
from spectral_platform.evaluations.scores.findings import NO_ANSWER, Answer, Finding, by_code, found, judged_dimensions
from spectral_platform.evaluations.scores.queries import JudgeChoice
from spectral_platform.llm.calling import CallLabel, ModelCaller, settle
from spectral_platform.llm.errors import BudgetExhausted
from spectral_platform.llm.prices import PriceList
from spectral_platform.llm.providers.availability import is_simulated
from spectral_platform.llm.providers.catalogue import open_providers
from spectral_platform.llm.purposes import Purpose
from spectral_platform.llm.purse import Purse

LONGEST_S = 60.0
SEED_BITS = 31


class Stop(StrEnum):
    """What ended the judging before all was judged."""

    BUDGET = "budget"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Looked:
    """An answer with what every dimension found in it, in the rubric's order."""

    answer: Answer
    findings: list[Finding]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What looking came to and what it took."""

    looked: list[Looked]
    purse: Purse
    stopped_by: Stop | None


async def look(
    answers: Sequence[Answer],
    dimensions: Sequence[Dimension],
    *,
    server: Settings,
    judge: JudgeChoice,
    embedding_model: str | None,
    purse: Purse,
    prices: PriceList | None = None,
) -> Outcome:
    """Look at every answer in every dimension."""
    subjects = {answer.id: answer.subject for answer in answers if answer.subject is not None}
    judged = judged_dimensions(dimensions)
    async with open_providers(server) as providers:
        caller = ModelCaller(providers, purse, known={}, concurrency=server.model_concurrency, prices=prices)
        panel = _Panel(caller, judge, embedding_model, time.monotonic() + LONGEST_S)
        alike = await settle(panel.compare(key, subject, dimensions) for key, subject in subjects.items())
        coded = await asyncio.to_thread(lambda: [by_code(dimensions, subject) for subject in alike])
        said = await settle(panel.judge(key, subject, dimension) for key, subject in subjects.items() for dimension in judged)
    findings: dict[str, dict[str, Finding]] = {}
    for number, key in enumerate(subjects):
        own = [*coded[number], *said[number * len(judged) : (number + 1) * len(judged)]]
        findings[key] = {finding.key: finding for finding in own}
    unseen = {dimension.key: Finding(dimension, NO_ANSWER) for dimension in dimensions}
    looked = [Looked(answer, [findings.get(answer.id, unseen)[dimension.key] for dimension in dimensions]) for answer in answers]
    return Outcome(looked, purse, _stopped_by(looked))


@dataclass(frozen=True, slots=True)
class _Panel:
    """The models that are asked, through what, and until when."""

    caller: ModelCaller
    choice: JudgeChoice
    embedding_model: str | None
    deadline: float

    async def compare(self, key: str, subject: Subject, dimensions: Sequence[Dimension]) -> Subject:
        """The subject with its similarity by embeddings; where none are to be had, words are compared."""
        label = CallLabel("preview", Purpose.EMBEDDING, case_key=key)
        try:
            async with self._until_deadline():
                return await compared(
                    subject, dimensions, model=self.embedding_model, ask=lambda request: self.caller.ask(request, label)
                )
        except (TimeoutError, SpectralError):
            return subject

    async def judge(self, key: str, subject: Subject, dimension: Dimension) -> Finding:
        """Judge one answer in one dimension; what prevents it is the finding's reason."""
        model = self.choice.model
        if model is None:
            return Finding(dimension, self.choice.reason)
        label = CallLabel("preview", Purpose.SCORING, case_key=key)
        judge = Judge(
            model=model,
            ask=lambda request: self.caller.ask(request, label),
            seed=lambda vote, reading: derive(0, "preview", _content(subject), vote, reading) % 2**SEED_BITS,
            prompt=JudgePrompt.VERDICT,
        )
        try:
            async with self._until_deadline():
                judged = await judge.judge(dimension, subject)
        except TimeoutError:
            return Finding(dimension, _REASONS[Stop.TIME])
        except BudgetExhausted:
            return Finding(dimension, _REASONS[Stop.BUDGET])
        except UnreadableJudgement:
            return Finding(dimension, "The judge gave no answer that could be read.", judge_model=model)
        except SpectralError as refusal:
            return Finding(dimension, refusal.detail, judge_model=model)
        read = found(dimension, judged.evaluation)
        return Finding(
            dimension,
            read.reason,
            read.evaluation,
            judge_model=model,
            simulated=is_simulated(model),
            cost_usd=judged.cost_usd,
        )

    def _until_deadline(self) -> asyncio.Timeout:
        return asyncio.timeout(max(0.0, self.deadline - time.monotonic()))


_REASONS = {
    Stop.BUDGET: "The preview's budget does not cover the judge's votes; raise max_usd or max_model_calls.",
    Stop.TIME: "The judge did not answer within the minute that a preview takes at most.",
}


def _stopped_by(looked: Sequence[Looked]) -> Stop | None:
    reasons = {finding.reason for each in looked for finding in each.findings}
    return next((stop for stop, reason in _REASONS.items() if reason in reasons), None)


def _content(subject: Subject) -> str:
    return f"{subject.input}\0{subject.output}"


def total_usd(outcome: Outcome) -> Decimal | None:
    """What it cost; None when calls were made of which none has a price."""
    purse = outcome.purse
    return None if purse.calls and purse.unpriced_calls == purse.calls else purse.spent_usd
