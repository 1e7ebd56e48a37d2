"""Pairs to label and scores of traces, as scans leave them behind."""

from collections.abc import Sequence
from uuid import UUID

from spectral_platform.core.database import Database
from spectral_platform.evaluations.calibration import commands
from spectral_platform.evaluations.calibration.commands import ComparedPair
from spectral_platform.evaluations.evaluators.subjects import Evaluation
from spectral_platform.evaluations.rubrics.queries import get_rubric_version
from spectral_platform.evaluations.scores.commands import NewScore, record_scores
from tests.fixtures.callers import Person


def compared(number: int, difference: float = 0.5) -> ComparedPair:
    return ComparedPair(f"case-{number}", f"Question {number}?", None, f"Old {number}.", f"New {number}.", difference)


async def ask_about(
    database: Database, person: Person, rubric_id: str, scan_id: str, pairs: Sequence[ComparedPair], *, seed: int = 1
) -> None:
    """Ask people about these pairs, as a scan does at its end."""
    async with database.transaction(account_id=person.account_id, workspace_id=person.workspace_id) as session:
        rubric = await get_rubric_version(session, person.workspace_id, UUID(rubric_id))
        await commands.request_labels(
            session, person.workspace_id, rubric, pairs, scan_id=UUID(scan_id), simulated=True, seed=seed
        )


async def judge(
    database: Database,
    person: Person,
    rubric_id: str,
    verdicts: dict[str, bool],
    *,
    dimension: str = "polite",
    model: str | None = "sim/judge",
) -> None:
    """Score traces as a judge does, or with no model as code does."""
    async with database.transaction(account_id=person.account_id, workspace_id=person.workspace_id) as session:
        rubric = await get_rubric_version(session, person.workspace_id, UUID(rubric_id))
        scores = [
            NewScore(
                trace_id,
                dimension,
                Evaluation.success("llm_judge@1") if passed else Evaluation.failure("llm_judge@1", "Be polite.", score=0.4),
                judge_model=model,
                simulated=None if model is None else True,
            )
            for trace_id, passed in verdicts.items()
        ]
        await record_scores(session, person.workspace_id, rubric, scores)
