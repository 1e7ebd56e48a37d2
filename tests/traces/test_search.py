"""Search: what traces say, as far as a worker has indexed it, and only for those whose traces they are."""

from collections.abc import Sequence
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from spectral_platform.core.database import Database, connection_string
from spectral_platform.core.jobs import JobContext
from spectral_platform.core.settings import Settings
from spectral_platform.portability.commands import expire_traces
from spectral_platform.traces import commands, listing
from spectral_platform.traces.selection import TraceFilter, bind_search
from tests.fixtures.callers import Person
from tests.traces.factories import call, draft, index, new_trace_id, store

LONG = "word " * 5_000
REFUSING = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE program_limit_exceeded;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON trace_words FOR EACH ROW WHEN (NEW.words @@ 'unfit') EXECUTE FUNCTION refuse()
"""
WORDS = "SELECT words::text FROM trace_words"
MANY = """
INSERT INTO trace_words (workspace_id, trace_id, words)
SELECT %(workspace_id)s, md5(random()::text), array_to_tsvector(ARRAY[%(workspace_id)s::text])
       || to_tsvector('simple', concat_ws(' ', %(said)s::text, n, CASE WHEN n %% 1000 = 0 THEN 'rare' END))
FROM generate_series(1, 3000) AS n
"""


async def found(person: Person, search: str, **query: Any) -> list[str]:
    answer = await person.client.get(f"{person.w}/traces", params={"search": search, "sort": "started_at", **query})
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert page["pagination"]["total"] == len(page["results"])
    return [each["name"] for each in page["results"]]


async def kept_words(database: Database, person: Person, search: str | None) -> Sequence[str]:
    """The words that a transaction sees which searches for something, or for nothing."""
    async with database.transaction(account_id=person.account_id, workspace_id=person.workspace_id) as session:
        await bind_search(session, person.workspace_id, TraceFilter(search=search))
        return (await session.scalars(text(WORDS))).all()


async def test_whole_texts_are_searched_once_a_worker_has_been_there(owner: Person, database: Database) -> None:
    trace_id = new_trace_id()
    await store(database, owner, [draft(trace_id, 1, name="a", input=LONG + "Zanzibar", output=LONG + "Timbuktu")])
    await store(database, owner, [draft(new_trace_id(), 2, name="b", input="Zanzibar")])

    assert await found(owner, "zanzibar") == []
    assert await found(owner, trace_id) == ["a"]
    await index(database)

    assert await found(owner, "zanzibar") == ["a", "b"]
    assert await found(owner, "timbuktu zanzibar") == ["a"]
    assert await found(owner, "zanzibar timb") == ["a"]
    assert await found(owner, "zan timbuktu") == []
    assert await found(owner, trace_id) == ["a"]
    assert await found(owner, new_trace_id()) == []


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("ALPHA", ["alpha"]),
        ("off 50%", ["alpha"]),
        ('"50 off"', ["alpha"]),
        ('"off 50"', []),
        ("50 -off", []),
        ("fifty_", ["gamma"]),
        ("FIF", ["gamma"]),
        ("fi", []),
        ('"fif"', []),
        ("größe straß", ["gamma"]),
        ("-alpha -gam", ["gamma"]),
        ("alpha or gamma", ["alpha", "gamma"]),
        ("%", []),
        ("-", []),
        ("'", []),
        ("it's", ["gamma"]),
        ("gamma & !beta:* \\", []),
    ],
)
async def test_words_phrases_alternatives_exclusions_and_beginnings(
    owner: Person, database: Database, search: str, expected: list[str]
) -> None:
    alpha = draft(new_trace_id(), 1, name="alpha", input="50% off?")
    gamma = draft(new_trace_id(), 2, name="gamma", output="Fifty_ it's Größe Straße")
    await store(database, owner, [alpha, gamma])
    await index(database)

    assert await found(owner, search) == expected


async def test_who_says_an_id_is_found_with_the_trace_of_that_id(owner: Person, database: Database) -> None:
    trace_id = new_trace_id()
    await store(database, owner, [draft(trace_id, 1, name="a"), draft(new_trace_id(), 2, name="b", input=f"see {trace_id}")])
    await index(database)

    assert await found(owner, trace_id.upper()) == ["a", "b"]


async def test_a_trace_that_changed_is_found_by_what_it_says_now(owner: Person, database: Database) -> None:
    trace_id = new_trace_id()
    await store(database, owner, [draft(trace_id, 2, 1, name="child", input="before")])
    await index(database)
    await store(database, owner, [draft(trace_id, 1, name="root", input="after")])
    await index(database)

    assert (await found(owner, "before"), await found(owner, "after")) == ([], ["root"])


async def test_others_find_nothing_and_see_no_words(owner: Person, stranger: Person, database: Database) -> None:
    trace_id = new_trace_id()
    await store(database, owner, [draft(trace_id, 1, name="a", input="zanzibar")])
    await index(database)

    assert await found(owner, "zanzibar") == ["a"]
    for search in ("zanzibar", "-nothing", trace_id, str(owner.workspace_id)):
        assert await found(stranger, search) == []
    assert len(await kept_words(database, owner, "zanzibar")) == 1
    assert await kept_words(database, owner, "%") == await kept_words(database, owner, None) == []
    assert await kept_words(database, stranger, "zanzibar") == []


async def test_what_was_masked_is_not_among_the_words(owner: Person, database: Database) -> None:
    masking = await owner.client.put(f"{owner.w}/masking", json={"detectors": ["email"]})
    assert masking.status_code == 200, masking.text
    await store(database, owner, [draft(new_trace_id(), 1, name="a", input="Ann is ann.lee@example.com")])
    await index(database)

    assert (await found(owner, "ann"), await found(owner, "ann.lee@example.com")) == (["a"], [])
    assert all("example" not in words for words in await kept_words(database, owner, "ann"))


async def test_erased_traces_leave_no_words_whenever_they_are_erased(owner: Person, database: Database) -> None:
    indexed, due = new_trace_id(), new_trace_id()
    await store(database, owner, [draft(indexed, 1, name="a", input="zanzibar")])
    await index(database)
    await store(database, owner, [draft(due, 1, name="b", input="zanzibar")])

    for trace_id in (indexed, due):
        assert (await owner.client.delete(f"{owner.w}/traces/{trace_id}")).status_code == 204
    await index(database)

    assert await kept_words(database, owner, str(owner.workspace_id)) == await kept_words(database, owner, "zanzibar") == []


@pytest.mark.own_database
async def test_what_has_expired_is_neither_shown_nor_counted_nor_found(
    owner: Person, database: Database, settings: Settings
) -> None:
    old, new = new_trace_id(), new_trace_id()
    labels: dict[str, Any] = {"input": "zanzibar", "session_id": "s", "user_id": "u", "tags": ("t",), "model": "gpt-4o"}
    await store(database, owner, [call(each, 1, name=each, **labels) for each in (old, new)])
    await index(database)
    for each, score in ((old, -1), (new, 1)):
        given = await owner.client.post(f"{owner.w}/traces/{each}/feedback", json={"score": score})
        assert given.status_code == 201, given.text
    await owner.client.put(f"{owner.w}/retention", json={"traces_days": 30})
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        for table in ("traces", "spans"):
            await session.execute(text(f"UPDATE {table} SET day = day - 40 WHERE trace_id = :trace_id"), {"trace_id": old})

    await expire_traces(JobContext(database=database, settings=settings))

    assert await found(owner, "zanzibar") == [new]
    assert len(await kept_words(database, owner, "zanzibar")) == 1
    filters: tuple[dict[str, Any], ...] = (
        {},
        {"model": "gpt-4o"},
        {"tag": "t"},
        {"session_id": "s"},
        {"user_id": "u"},
        {"has_feedback": True},
    )
    for query in (*filters, {"min_cost_usd": "0.0000001"}, {"sort": "-cost_usd"}):
        page = (await owner.client.get(f"{owner.w}/traces", params=query)).json()
        assert ([each["id"] for each in page["results"]], page["pagination"]["total"]) == ([new], 1), query
    talk = (await owner.client.get(f"{owner.w}/traces/sessions/s")).json()
    assert (talk["trace_count"], talk["total_tokens"], talk["feedback_score"], len(talk["turns"])) == (1, 110, 1, 1)
    for path in (old, f"{old}/feedback"):
        assert (await owner.client.get(f"{owner.w}/traces/{path}")).status_code == 404


async def test_texts_with_more_words_than_a_row_takes_hold_up_nobody(owner: Person, database: Database) -> None:
    letters = [chr(0x10400 + number) for number in range(40)]
    pairs = [first + second for first in letters for second in letters]
    hyphened = " ".join(f"{pair}-{other}" for pair in pairs for other in pairs[:7])
    plain = " ".join(f"w{number}" for number in range(60_000))
    texts = (hyphened, plain, "x" * 60_000, "-" * 60_000, "a/b.c/" * 10_000)
    await store(database, owner, [draft(new_trace_id(), 1, name="endless", input=each, output=each[::-1]) for each in texts])
    await index(database)

    assert len(await found(owner, "endless")) == len(texts)


async def test_the_queue_is_worked_off_in_batches(owner: Person, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    await index(database)
    monkeypatch.setattr(commands, "MOST_INDEXED_AT_ONCE", 2)
    await store(database, owner, [draft(new_trace_id(), 1, name="a", input="zanzibar") for _ in range(5)])
    async with database.transaction() as session:
        assert await commands.index_words(session)
    assert len(await found(owner, "zanzibar")) == 2

    await index(database)

    assert len(await found(owner, "zanzibar")) == 5


@pytest.mark.own_database
async def test_words_are_looked_up_by_their_index_under_the_policies(
    owner: Person, stranger: Person, database: Database, database_url: str
) -> None:
    with psycopg.connect(connection_string(database_url), autocommit=True) as superuser:
        superuser.execute("SET session_replication_role = replica")  # words without traces
        for person, said in ((owner, "all own"), (stranger, "all others")):
            superuser.execute(MANY, {"workspace_id": person.workspace_id, "said": said})
        superuser.execute("ANALYZE trace_words")

    frequent, few = ("all", "others", "all -own"), ("rare", "rar", '"all rare"', "all rare")
    for search in (*frequent, *few):
        async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
            await bind_search(session, owner.workspace_id, TraceFilter(search=search))
            planned = await session.scalars(
                text("EXPLAIN SELECT trace_id FROM trace_words WHERE workspace_id = :workspace_id"),
                {"workspace_id": owner.workspace_id},
            )
            plan = "\n".join(planned)
            # What many rows say may also be read off the rows of the workspace, in the order in which they lie.
            assert "Bitmap Index Scan on ix_trace_words_words" in plan or search in frequent, search
            assert "Seq Scan" not in plan, search


@pytest.mark.own_database
async def test_words_that_do_not_fit_keep_no_others_waiting(owner: Person, database: Database, database_url: str) -> None:
    with psycopg.connect(connection_string(database_url), autocommit=True) as superuser:
        superuser.execute(REFUSING)
    texts = ("first", "unfit", "third", "fourth", "unfit too")
    await store(database, owner, [draft(new_trace_id(), number, name=said) for number, said in enumerate(texts)])

    await index(database)

    assert [await found(owner, said) for said in texts] == [["first"], [], ["third"], ["fourth"], []]
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        assert await session.scalar(text("SELECT count(*) FROM trace_words_due")) == 0


async def pages(person: Person, **query: Any) -> tuple[list[str], list[tuple[int, bool]]]:
    """The names of all traces that are found, page after page by cursor and by offset, and what each page says of the total."""
    by_cursor: list[str] = []
    by_offset: list[str] = []
    totals = []
    place: dict[str, Any] = {}
    while True:
        page = (await person.client.get(f"{person.w}/traces", params={"limit": 2, **query, **place})).json()
        at_offset = (await person.client.get(f"{person.w}/traces", params={"limit": 2, **query, "offset": len(by_offset)})).json()
        by_cursor += [each["name"] for each in page["results"]]
        by_offset += [each["name"] for each in at_offset["results"]]
        totals += [(each["pagination"]["total"], each["pagination"]["total_capped"]) for each in (page, at_offset)]
        if page["pagination"]["next_cursor"] is None:
            assert by_cursor == by_offset
            return by_cursor, totals
        place = {"cursor": page["pagination"]["next_cursor"]}


@pytest.mark.parametrize("walked", [2, 6, 40])
async def test_what_many_say_is_found_along_the_list_and_what_few_say_is_gathered(
    owner: Person, database: Database, monkeypatch: pytest.MonkeyPatch, walked: int
) -> None:
    monkeypatch.setattr(listing, "WALKED", walked)
    monkeypatch.setattr(listing, "MANY", walked)
    said = ["often said" if number % 3 else "said often" for number in range(12)]
    said[2] += " seldom"
    drafts = [draft(new_trace_id(), number, name=f"{number:02} {each}", user_id="ann") for number, each in enumerate(said)]
    await store(database, owner, drafts)
    await index(database)

    for search, count in (("often", 12), ('"often said"', 8), ("seldom", 1), ("never", 0)):
        exported = await owner.client.get(f"{owner.w}/traces/export", params={"search": search})
        assert len(exported.text.splitlines()) == count + 1
        for query in (
            {"sort": "-started_at"},
            {"sort": "duration_ms", "user_id": "ann"},
            {"sort": "started_at", "min_duration_ms": "0"},
        ):
            found, totals = await pages(owner, search=search, **query)

            assert sorted(found, reverse="-" in query["sort"]) == found or query["sort"] == "duration_ms"
            assert len(found) == len(set(found)) == count
            assert all(total <= count if is_capped else total == count for total, is_capped in totals)
            assert not any(is_capped for _, is_capped in totals) or walked != 40


async def test_what_takes_too_long_to_find_is_refused_and_says_what_to_do(
    owner: Person, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "_PLAN_WITHIN_LIMIT", text("SELECT set_config('statement_timeout', '100ms', true)"))
    async with database.transaction() as session:
        await session.execute(text("LOCK TABLE trace_words IN ACCESS EXCLUSIVE MODE"))
        refused = await owner.client.get(f"{owner.w}/traces", params={"search": "words of all"})
    answered = await owner.client.get(f"{owner.w}/traces", params={"search": "words of all"})

    assert (refused.status_code, answered.status_code) == (400, 200)
    assert "since" in refused.json()["detail"]
