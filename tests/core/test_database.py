"""What reaches the log of errors of the database."""

import traceback

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from spectral_platform.core.database import Database
from tests.fixtures.callers import Person


async def test_errors_show_nothing_of_the_rows_that_they_are_about(owner: Person, database: Database) -> None:
    statement = "INSERT INTO webhooks (id, account_id, workspace_id, url) VALUES (gen_random_uuid(), :account, :workspace, :url)"
    values = {"account": owner.account_id, "workspace": owner.workspace_id, "url": "https://example.org/what-nobody-logs"}
    with pytest.raises(IntegrityError) as caught:
        async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
            await session.execute(text(statement), values)

    told = "".join(traceback.format_exception(caught.value))
    assert "null value in column" in told
    assert "what-nobody-logs" not in told
