"""The seal on the holdout, tried by whoever should not get past it: each table asked as a scan's phases would ask it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.core import clock
from spectral_platform.core.database import Database
from spectral_platform.worlds.queries import open_holdout
from spectral_platform.worlds.readings import Reading, confine, keeping
from tests.fixtures.callers import Person
from tests.scans.factories import insert_scan
from tests.scans.workspaces import Scannable, make_scannable

MEMBERSHIP = "SELECT split, count(*) FROM case_splits GROUP BY split"
CONTENTS = "SELECT content_group FROM published_samples"
SEALED_TABLES = ("samples", "holdout_registries", "holdout_exposures")


@dataclass(frozen=True)
class Sealed:
    """A workspace with published samples, all of them assigned, and a scan that runs in it."""

    scannable: Scannable
    database: Database
    scan_id: UUID
    split_of: dict[str, str]

    @asynccontextmanager
    async def reading(self, reading: Reading | None, *, scan_id: UUID | None = None) -> AsyncIterator[AsyncSession]:
        """A transaction that may read so much."""
        async with self.transaction() as session:
            if reading is not None:
                await confine(session, reading, scan_id=scan_id)
            yield session

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A transaction of the workspace that says nothing."""
        owner = self.scannable.owner
        async with self.database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
            yield session

    async def freeze(self) -> None:
        """Make a candidate the finalist of the scan."""
        async with self.transaction() as session:
            await session.execute(
                text(
                    "INSERT INTO scan_candidates (id, created_at, workspace_id, scan_id, agent_id, position, key, parent_key,"
                    " strategy, component, config, rationale, fate, fate_detail, dev) SELECT gen_random_uuid(), now(),"
                    " workspace_id, :scan_id, id, 1, 'k', 'p', 'rules', 'base_prompt', '{}', '', 'finalist', '', '{}' FROM agents"
                ),
                {"scan_id": self.scan_id},
            )

    def groups(self, *splits: str) -> set[str]:
        """The content groups of these splits."""
        return {group for group, split in self.split_of.items() if split in splits}


@pytest.fixture
async def sealed(owner: Person, database: Database) -> Sealed:
    scannable = await make_scannable(owner, database)
    await scannable.start()  # assigns the splits; nobody runs it
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        scan_id = await insert_scan(session, owner)
        await session.execute(text("UPDATE scans SET status = 'running' WHERE id = :id"), {"id": scan_id})
        await session.execute(
            text(
                "INSERT INTO model_calls (id, created_at, workspace_id, scan_id, key, phase, purpose, candidate, case_key,"
                " repeat, provider, model, is_simulated, is_sealed, answer, tool_calls, finish_reason, input_tokens,"
                " output_tokens, cached_input_tokens, reasoning_tokens, latency_ms, hits) SELECT gen_random_uuid(), now(),"
                " :workspace_id, :scan_id, sealed::text, 'evaluate', 'agent_turn', '', '', 0, 'simulator',"
                " 'sim/standard', true, sealed, 'yes', '[]', 'stop', 1, 1, 0, 0, 1, 0 FROM unnest(ARRAY[true, false]) AS sealed"
            ),
            {"workspace_id": owner.workspace_id, "scan_id": scan_id},
        )
        async with keeping(session):
            rows = await session.execute(text("SELECT content_group, split FROM case_splits"))
    return Sealed(scannable, database, scan_id, {row[0]: row[1] for row in rows})


async def rows(session: AsyncSession, statement: str) -> list[Any]:
    return list(await session.execute(text(statement)))


@pytest.mark.parametrize(
    ("reading", "splits"),
    [
        (None, set()),
        (Reading.TRAIN, {"train"}),
        (Reading.DEV, {"train", "dev"}),
        (Reading.HOLDOUT, {"train", "dev"}),  # nothing is frozen
        (Reading.REGISTRY, {"train", "dev", "holdout"}),
    ],
)
async def test_membership_is_told_as_far_as_a_phase_may_know(sealed: Sealed, reading: Reading | None, splits: set[str]) -> None:
    async with sealed.reading(reading, scan_id=sealed.scan_id) as session:
        assert {row[0] for row in await rows(session, MEMBERSHIP)} == splits


@pytest.mark.parametrize(
    ("reading", "splits"),
    [(Reading.TRAIN, ["train"]), (Reading.DEV, ["train", "dev"]), (Reading.HOLDOUT, ["train", "dev"])],
)
async def test_a_scan_without_a_finalist_reads_no_content_of_the_holdout(
    sealed: Sealed, reading: Reading, splits: list[str]
) -> None:
    async with sealed.reading(reading, scan_id=sealed.scan_id) as session:
        contents = {row[0] for row in await rows(session, CONTENTS)}
        beside = [await rows(session, f"SELECT 1 FROM {table}") for table in SEALED_TABLES]
        answers = await rows(session, "SELECT is_sealed FROM model_calls")

    assert contents == sealed.groups(*splits)
    assert beside == [[], [], []]
    assert [row[0] for row in answers] == [False]


async def test_a_frozen_finalist_opens_the_holdout_to_its_own_scan_while_that_runs(sealed: Sealed) -> None:
    await sealed.freeze()
    everything = list(sealed.split_of)
    workspace_id = sealed.scannable.owner.workspace_id

    async with sealed.transaction() as session:
        found = await open_holdout(session, workspace_id, sealed.scan_id, everything, before=clock.now())
        contents = {row[0] for row in await rows(session, CONTENTS)}
        answers = await rows(session, "SELECT is_sealed FROM model_calls")
    async with sealed.transaction() as session:
        elsewhere = await open_holdout(session, workspace_id, uuid4(), everything, before=clock.now())
    for reading in (Reading.TRAIN, Reading.DEV):
        async with sealed.reading(reading, scan_id=sealed.scan_id) as session:
            assert not {row[0] for row in await rows(session, CONTENTS)} & sealed.groups("holdout")
    async with sealed.transaction() as session:
        await session.execute(text("UPDATE scans SET status = 'completed' WHERE id = :id"), {"id": sealed.scan_id})
        afterwards = await open_holdout(session, workspace_id, sealed.scan_id, everything, before=clock.now())

    assert found == dict.fromkeys(sealed.groups("holdout"), 0)
    assert contents == set(everything)
    assert len(answers) == 2
    assert (elsewhere, afterwards) == ({}, {})


async def test_the_seal_is_back_once_the_keeper_is_done(sealed: Sealed) -> None:
    async with sealed.reading(Reading.TRAIN) as session:
        async with keeping(session):
            assert len(await rows(session, MEMBERSHIP)) == 3
        assert len(await rows(session, MEMBERSHIP)) == 1


async def test_what_a_transaction_read_as_says_nothing_of_the_next(sealed: Sealed) -> None:
    for _ in range(2 * sealed.database.connections_most):
        async with sealed.reading(Reading.REGISTRY):
            pass
    async with sealed.transaction() as session:
        assert await rows(session, MEMBERSHIP) == []


async def test_owners_read_all_of_their_samples(sealed: Sealed) -> None:
    sets = await sealed.scannable.get("samples/sets")
    listed = await sealed.scannable.get(f"samples/sets/{sets['results'][0]['id']}/samples?limit=1")

    assert listed["pagination"]["total"] == len(sealed.split_of)
