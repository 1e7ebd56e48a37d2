"""What a commit asks of traces that are there: it finds them by their keys, whatever is known of the table."""

from datetime import UTC

from sqlalchemy import text

from spectral_platform.core import clock
from spectral_platform.core.database import Database, ask, driver_of
from spectral_platform.traces.statements import KNOWN_TRACES, LOCK_TRACES, PLAN_BY_KEYS, PREVIEWS, STORED_FACTS
from tests.fixtures.callers import Person

MANY = text(
    """
    INSERT INTO traces (workspace_id, trace_id, day, name, started_at, duration_ms, status, span_count, unpriced_spans,
                        models, tags, feedback_count, created_at, updated_at)
    SELECT :workspace_id, md5(n::text), current_date, 'x', now() - n * interval '1 s', 1, 'ok', 1, 0,
           ARRAY[]::text[], ARRAY[]::text[], 0, now(), now()
    FROM generate_series(1, 2000) AS n
    """
)
BY_KEY = {KNOWN_TRACES: "pk_traces", LOCK_TRACES: "pk_traces", STORED_FACTS: "_pkey", PREVIEWS: "_pkey"}


async def test_traces_that_no_statistics_know_of_are_found_one_by_one(database: Database, owner: Person) -> None:
    ids = [f"{number:032x}" for number in range(64)]
    places = {"trace_ids": ids, "span_ids": [each[:16] for each in ids], "days": [clock.now().astimezone(UTC).date()]}
    values = {"workspace_id": owner.workspace_id, **places}
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        await session.execute(MANY, {"workspace_id": owner.workspace_id})
        driver = await driver_of(session)
        _, *plans = await ask(driver, (PLAN_BY_KEYS, {}), *((f"EXPLAIN {statement}", values) for statement in BY_KEY))
        await session.rollback()

    for key, rows in zip(BY_KEY.values(), plans, strict=True):
        plan = "\n".join(line for (line,) in rows)
        conditions = [line for line in plan.splitlines() if "Index Cond" in line]
        assert key in plan, plan
        assert "ix_traces" not in plan, plan
        assert conditions, plan
        assert all("trace_id" in condition for condition in conditions), plan
