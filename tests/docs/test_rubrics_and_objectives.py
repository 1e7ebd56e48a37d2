"""The pages about rubrics and objectives: their examples run as printed, and their figures are what the server says."""

from uuid import UUID

from spectral_platform.core.database import Database
from tests.authoring.factories import answered, rate, score
from tests.docs.worked_examples import carry_out, examples
from tests.fixtures.callers import Person


async def test_the_examples_of_objectives_run_as_printed(owner: Person) -> None:
    known: dict[str, str] = {}
    for example in examples("objectives.md"):
        await carry_out(example, owner.client, owner.w, known)

    assert UUID(known["objective_id"])


async def test_the_examples_of_rubrics_run_as_printed(owner: Person, database: Database) -> None:
    known: dict[str, str] = {}
    for example in examples("rubrics.md"):
        if example.method == "GET" and example.path.endswith("/suggestions"):
            await six_rated_answers(owner, database, known["rubric_id"])
        await carry_out(example, owner.client, owner.w, known)

    assert UUID(known["suggestion_id"])


async def six_rated_answers(owner: Person, database: Database, rubric_id: str) -> None:
    """What the page tells of: six answers that the judge passed, of which people liked three."""
    rubric = (await owner.client.get(f"{owner.w}/evaluations/rubrics/{rubric_id}")).json()
    trace_ids = await answered(owner, 6)
    await score(database, owner, rubric, {"helpfulness": [(trace_id, 1.0) for trace_id in trace_ids]})
    for trace_id in trace_ids[:3]:
        await rate(owner, trace_id, dimension="helpfulness", label="positive")
    for trace_id in trace_ids[3:]:
        await rate(owner, trace_id, dimension="helpfulness", comment="It never names the day.")
