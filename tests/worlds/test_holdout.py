"""The sealed holdout: assignment of splits and the ledger of exposures."""

from collections.abc import Collection
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from spectral_platform.core import clock
from spectral_platform.core.database import Database
from spectral_platform.worlds import commands, queries
from spectral_platform.worlds.readings import Reading, confine
from spectral_platform.worlds.splits import EXPOSURE_LIMIT, EXPOSURE_WARNING, Split, SplitCounts, choose_split, serving
from tests.fixtures.callers import Person

GROUPS = [f"group {number}" for number in range(200)]


def test_a_key_splits_forty_twenty_forty() -> None:
    splits = [choose_split(b"key", str(number)) for number in range(5000)]

    assert splits.count(Split.TRAIN) == pytest.approx(2000, abs=120)
    assert splits.count(Split.DEV) == pytest.approx(1000, abs=120)


def test_another_key_splits_otherwise() -> None:
    assert [choose_split(b"one", group) for group in GROUPS] != [choose_split(b"two", group) for group in GROUPS]


async def assign(database: Database, person: Person, groups: Collection[str], *, key: bytes | None = None) -> None:
    async with database.transaction(account_id=person.account_id, workspace_id=person.workspace_id) as session:
        if key is not None:
            await commands.install_split_key(session, person.workspace_id, key)
        await commands.assign_splits(session, person.workspace_id, groups)


async def members(database: Database, person: Person, split: Split, groups: Collection[str] = GROUPS) -> frozenset[str]:
    async with database.transaction(account_id=person.account_id, workspace_id=person.workspace_id) as session:
        await confine(session, Reading.REGISTRY)
        found = await queries.list_splits(session, person.workspace_id, list(groups))
    return frozenset(group for group, assigned in found.items() if assigned is split)


async def counts(database: Database, person: Person, groups: Collection[str] = GROUPS) -> SplitCounts:
    async with database.transaction(account_id=person.account_id, workspace_id=person.workspace_id) as session:
        return await queries.count_splits(session, person.workspace_id, dict.fromkeys(groups, 2))


async def expose(database: Database, person: Person, groups: Collection[str], *, scan_id: UUID | None = None) -> None:
    async with database.transaction(account_id=person.account_id, workspace_id=person.workspace_id) as session:
        await commands.record_exposure(session, person.workspace_id, scan_id or uuid4(), groups)


async def test_every_group_is_in_one_split(owner: Person, database: Database) -> None:
    await assign(database, owner, GROUPS)

    found = [await members(database, owner, split) for split in Split]

    assert frozenset().union(*found) == frozenset(GROUPS)
    assert sum(map(len, found)) == len(GROUPS)
    train, dev, holdout = map(len, found)
    assert await counts(database, owner) == SplitCounts(
        train=2 * train, dev=2 * dev, holdout=2 * holdout, groups=holdout, fresh=holdout, worn=0
    )


async def test_a_split_of_some_groups_leaves_the_others_out(owner: Person, database: Database) -> None:
    await assign(database, owner, GROUPS)

    assert await members(database, owner, Split.HOLDOUT, GROUPS[:10]) <= frozenset(GROUPS[:10])
    assert await counts(database, owner, ["never seen"]) == SplitCounts(train=0, dev=0, holdout=0, groups=0, fresh=0, worn=0)


async def test_a_rotated_key_moves_no_group(owner: Person, database: Database) -> None:
    await assign(database, owner, GROUPS, key=b"first")
    before = await members(database, owner, Split.HOLDOUT)

    await assign(database, owner, [*GROUPS, "new"], key=b"second")

    assert await members(database, owner, Split.HOLDOUT) == before
    assert await members(database, owner, choose_split(b"second", "new"), ["new"]) == {"new"}


async def test_an_installed_key_splits_alike_everywhere(owner: Person, stranger: Person, database: Database) -> None:
    for person in (owner, stranger):
        await assign(database, person, GROUPS, key=b"packaged")

    assert await members(database, owner, Split.HOLDOUT) == await members(database, stranger, Split.HOLDOUT)


async def test_workspaces_draw_keys_of_their_own(owner: Person, stranger: Person, database: Database) -> None:
    for person in (owner, stranger):
        await assign(database, person, GROUPS)

    assert await members(database, owner, Split.HOLDOUT) != await members(database, stranger, Split.HOLDOUT)


async def test_a_scan_counts_once_however_often_it_is_resumed(owner: Person, database: Database) -> None:
    await assign(database, owner, GROUPS)
    [group, *_] = await members(database, owner, Split.HOLDOUT)
    scan_id = uuid4()

    for _ in range(EXPOSURE_LIMIT):
        await expose(database, owner, [group], scan_id=scan_id)

    assert (await counts(database, owner)).worn == 0
    assert group in await members(database, owner, Split.HOLDOUT)


async def test_a_group_wears_and_then_goes_to_train(owner: Person, database: Database) -> None:
    await assign(database, owner, GROUPS)
    holdout = sorted(await members(database, owner, Split.HOLDOUT))
    worn, fresh = holdout[:2], holdout[2:]

    for _ in range(EXPOSURE_WARNING):
        await expose(database, owner, worn)
    halfway = await counts(database, owner)
    for _ in range(EXPOSURE_LIMIT - EXPOSURE_WARNING - 1):
        await expose(database, owner, worn)
    before = await members(database, owner, Split.HOLDOUT)
    await expose(database, owner, worn)

    assert (halfway.worn, halfway.fresh, halfway.groups) == (2, len(fresh), len(holdout))
    assert before == frozenset(holdout)
    assert await members(database, owner, Split.HOLDOUT) == frozenset(fresh)
    assert await members(database, owner, Split.TRAIN, worn) == frozenset(worn)
    assert (await counts(database, owner)).worn == 0


@pytest.mark.parametrize(
    ("fresh", "used", "least", "serve"),
    [
        (100, 0, 60, 100),
        (0, 100, 60, 100),  # all have served: reuse is safe up to the limit, and nothing else is there
        (40, 100, 60, 80),  # half of them fresh
        (29, 100, 60, 129),  # too few fresh ones for a verdict of which they are half
        (30, 100, 60, 60),
        (90, 10, 60, 100),
        (0, 0, 60, 0),
    ],
)
def test_half_of_a_verdict_is_fresh_where_there_is_enough_to_choose_from(fresh: int, used: int, least: int, serve: int) -> None:
    assert serving(fresh, used, least) == serve


async def test_verdicts_after_a_scan_began_do_not_change_what_it_finds(owner: Person, database: Database) -> None:
    await assign(database, owner, GROUPS)
    held = sorted(await members(database, owner, Split.HOLDOUT))
    began = clock.now()
    await expose(database, owner, held[:3])

    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        then = await queries.count_splits(session, owner.workspace_id, dict.fromkeys(GROUPS, 1), before=began)

    assert then.fresh == len(held)
    assert (await counts(database, owner)).fresh == len(held) - 3


async def test_the_registry_of_another_tenant_is_out_of_reach(owner: Person, stranger: Person, database: Database) -> None:
    await assign(database, owner, GROUPS)

    async with database.transaction(account_id=stranger.account_id, workspace_id=stranger.workspace_id) as session:
        await confine(session, Reading.REGISTRY)
        assert await queries.list_splits(session, owner.workspace_id, GROUPS) == {}
    with pytest.raises(ProgrammingError, match="row-level security"):
        async with database.transaction(account_id=stranger.account_id, workspace_id=stranger.workspace_id) as session:
            await commands.assign_splits(session, owner.workspace_id, ["planted"])


@pytest.mark.parametrize("table", ["holdout_exposures", "published_samples", "sample_set_versions", "rubric_versions"])
async def test_what_is_frozen_cannot_be_changed_at_run_time(owner: Person, database: Database, table: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"):
        async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
            await session.execute(text(f"UPDATE {table} SET workspace_id = workspace_id"))
