"""Seeds of scans that were given none: their sealed questions are new to the workspace."""

import pytest
from sqlalchemy import text

from spectral_platform.core.database import Database
from spectral_platform.samples.near_duplicates import shingles
from spectral_platform.scans.cases import fresh_stimuli
from spectral_platform.scans.seeding import MOST_REPEATS, draw_seed
from spectral_platform.worlds.rules import list_worlds, load_world
from spectral_platform.worlds.splits import Split
from spectral_platform.worlds.stimuli import share_of_repeats
from tests.fixtures.callers import Person
from tests.scans.workspaces import make_scannable


@pytest.mark.parametrize("world_model", list_worlds())
def test_a_seed_that_repeats_an_earlier_scan_is_refused(world_model: str) -> None:
    draws = iter([7, 7, 11, 12, 13, 14, 15])

    seed = draw_seed(world_model, [5, 6, 7], first=6, draw=lambda: next(draws))

    assert seed not in {5, 6, 7}
    world = load_world(world_model)
    issued = [shingles(case.text) for case in fresh_stimuli(world, seed, Split.HOLDOUT)]
    for earlier in (5, 6, 7):
        asked = [shingles(case.text) for split in Split for case in fresh_stimuli(world, earlier, split)]
        assert share_of_repeats(issued, asked) <= MOST_REPEATS


def test_a_seed_that_repeats_nothing_is_taken_as_it_was_drawn() -> None:
    assert draw_seed("customer-support@1.0.0", [], first=3) == 3


async def test_a_request_without_a_seed_gets_one_and_a_given_one_is_kept(owner: Person, database: Database) -> None:
    scannable = await make_scannable(owner, database)
    seeds = []
    for asked in ({"seed": 4}, {"seed": None}, {"seed": 4}, {"seed": None}):
        started = await scannable.start(**asked)
        await owner.client.post(f"{owner.w}/scans/{started['scan_id']}/cancel")
        seeds.append((await scannable.get(f"scans/{started['scan_id']}"))["settings"]["seed"])

    assert (seeds[0], seeds[2]) == (4, 4)
    assert len({*seeds}) == 3
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        entries = await session.scalars(
            text("SELECT detail->>'seed' FROM audit_entries WHERE action = 'scan.created' ORDER BY sequence")
        )
        assert [int(entry) for entry in entries] == seeds
