"""What suggestions rest on: traces made and rated over HTTP, with scores such as a scan leaves."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from spectral_platform.core.database import Database
from spectral_platform.evaluations.evaluators.subjects import Evaluation
from spectral_platform.evaluations.rubrics.queries import get_rubric_version
from spectral_platform.evaluations.scores.commands import NewScore, record_scores
from tests.fixtures.callers import Person


async def answered(person: Person, count: int, **fields: Any) -> list[str]:
    """So many traces of an agent, by their ids."""
    traces = [{"agent": "Helper", "input": f"Question {n}?", "output": f"Answer {n}."} | fields for n in range(count)]
    answer = await person.client.post(f"{person.w}/traces", json={"traces": traces})
    assert answer.status_code == 202, answer.text
    trace_ids: list[str] = answer.json()["trace_ids"]
    return trace_ids


async def rate(person: Person, trace_id: str, **feedback: Any) -> None:
    """Say what a person thinks of a trace."""
    body = {"label": "negative", "source": "human"} | feedback
    answer = await person.client.post(f"{person.w}/traces/{trace_id}/feedback", json=body)
    assert answer.is_success, answer.text


async def score(
    database: Database, person: Person, rubric: Mapping[str, Any], scores: Mapping[str, Sequence[tuple[str, float | None]]]
) -> None:
    """Leave scores of the rubric's version, for each dimension by trace; 1 passes, None does not apply."""

    def evaluation(value: float | None) -> Evaluation:
        if value is None:
            return Evaluation.not_applicable("test@1", "There is nothing to compare with.")
        return Evaluation(score=value, passed=value >= 1, feedback="The answer must be better.", evaluator="test@1")

    new = [NewScore(trace_id, key, evaluation(value)) for key, found in scores.items() for trace_id, value in found]
    async with database.transaction(account_id=person.account_id, workspace_id=person.workspace_id) as session:
        version = await get_rubric_version(session, person.workspace_id, UUID(rubric["id"]), rubric["version"])
        await record_scores(session, person.workspace_id, version, new)


async def suggested(database: Database, person: Person, rubric: Mapping[str, Any]) -> dict[str, Any]:
    """A suggestion for the rubric: people dislike answers that its every dimension passes."""
    trace_ids = await answered(person, 3)
    keys = [dimension["key"] for dimension in rubric["dimensions"]]
    await score(database, person, rubric, {key: [(trace_id, 1.0) for trace_id in trace_ids] for key in keys})
    for trace_id in trace_ids:
        await rate(person, trace_id, comment="It never says when the parcel comes.")
    found = await person.client.get(f"{person.w}/evaluations/rubrics/{rubric['id']}/suggestions")
    (suggestion,) = found.json()["results"]
    made: dict[str, Any] = suggestion
    return made
