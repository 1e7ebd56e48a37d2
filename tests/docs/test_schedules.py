"""The page about schedules: its examples run as printed, and its tables name everything that there is."""

import re

from spectral_platform.scans.schedules.states import Reason
from spectral_platform.scans.schedules.timing import MACROS
from tests.docs.worked_examples import DOCS, carry_out, examples
from tests.fixtures.callers import Person


async def test_the_examples_of_schedules_run_as_printed(owner: Person) -> None:
    known: dict[str, str] = {}
    for example in examples("schedules.md"):
        await carry_out(example, owner.client, owner.w, known)

    assert known["token"].startswith("sched_")
    assert known["new_token"] != known["token"]


def test_the_page_names_every_reason_and_no_abbreviation_that_is_unknown() -> None:
    page = (DOCS / "schedules.md").read_text()

    assert {reason for reason in Reason if f"`{reason}`" not in page} == set()
    assert set(re.findall(r"`(@\w+)`", page)) <= set(MACROS)
