"""`llm_judge`: parameters of the judge that a model plays; asking it is the caller's, see `evaluations.judging`."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from spectral_platform.core.values import Value

EVALUATOR = "llm_judge@1"


class Criterion(Value):
    """One atomic question about an answer that is true, false or does not apply."""

    id: str = Field(min_length=1, max_length=80, description="Name of the criterion, unique in its dimension.")
    text: str = Field(min_length=1, description="What must hold of the answer, as one statement.")


def _ids_differ(criteria: tuple[Criterion, ...]) -> tuple[Criterion, ...]:
    if len({criterion.id for criterion in criteria}) != len(criteria):
        raise ValueError("criteria have ids of their own")
    return criteria


Criteria = Annotated[tuple[Criterion, ...], Field(min_length=1, max_length=20), AfterValidator(_ids_differ)]


class LlmJudge(Value):
    """Parameters of `llm_judge`."""

    kind: Literal["llm_judge"] = "llm_judge"
    criteria: Criteria | None = Field(
        default=None, description="Atomic statements to judge; else derived from description and guidance."
    )
    votes: int | None = Field(
        default=None, ge=1, le=7, description="How many answers decide by majority; else 1, and 3 where it counts."
    )
