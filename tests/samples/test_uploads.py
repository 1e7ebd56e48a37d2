"""Files of samples over HTTP: large, hostile, slow, and never half stored; and what comes out goes in again."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy import text

from spectral_platform.core.database import Database
from spectral_platform.core.settings import Settings
from spectral_platform.samples.intake import CHARACTERS_AT_ONCE, MOST_NAMED, in_batches
from spectral_platform.samples.parsing import read_csv, read_jsonl
from tests.fixtures.callers import Person
from tests.samples.factories import create_sample_set, list_samples
from tests.samples.test_parsing import HOSTILE

BODY_BYTES, UPLOAD_BYTES = 40_000, 120_000


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(
        database_url=database_url, data_dir=tmp_path, workers=0, max_body_bytes=BODY_BYTES, max_upload_bytes=UPLOAD_BYTES
    )


def jsonl(count: int, *, letters: int = 100) -> bytes:
    """A file of so many samples."""
    return b"".join(orjson.dumps({"input": f"{number} " + "x" * letters}) + b"\n" for number in range(count))


async def upload(person: Person, path: str, content: bytes, name: str = "cases.jsonl", **headers: str) -> httpx.Response:
    """The answer to a file."""
    return await person.client.post(f"{path}/samples", files={"file": (name, content)}, headers=headers)


async def test_a_file_may_be_larger_than_other_bodies_and_has_a_limit_of_its_own(owner: Person) -> None:
    path = await create_sample_set(owner)
    large, larger = jsonl(600), jsonl(1_200)
    assert BODY_BYTES < len(large) < UPLOAD_BYTES < len(larger)

    stored = await upload(owner, path, large)
    assert (stored.status_code, stored.json()) == (201, {"created": 600, "rejected": [], "rejected_count": 0})
    for refused, limit in (
        (await upload(owner, path, larger), UPLOAD_BYTES),
        (await upload(owner, path, large, **{"Idempotency-Key": "k"}), BODY_BYTES),
        (await owner.client.post(f"{path}/samples", json=[{"input": "x" * BODY_BYTES}]), BODY_BYTES),
    ):
        assert (refused.status_code, refused.json()["limit_bytes"]) == (413, limit)
    assert (await owner.client.get(path)).json()["sample_count"] == 600


@pytest.mark.parametrize(
    "content",
    [
        b"input\n" + b"".join(b"question %d\n" % number for number in range(500)) + b'"never closed',
        b"input\n" + b"".join(b"question %d\n" % number for number in range(500)) + b"\xff\n",
        "input\nGrüße\n".encode("utf-16"),
    ],
)
async def test_a_file_that_cannot_be_read_to_its_end_stores_nothing_of_what_came_before(content: bytes, owner: Person) -> None:
    path = await create_sample_set(owner)

    answer = await upload(owner, path, content, "cases.csv")

    assert answer.status_code == 400
    assert (await owner.client.get(path)).json()["sample_count"] == 0


async def test_of_very_many_bad_lines_the_first_are_named_and_all_are_counted(owner: Person) -> None:
    path = await create_sample_set(owner)

    answer = (await upload(owner, path, b"{}\n" * (MOST_NAMED + 5) + b'{"input": "good"}\n' * 2)).json()

    assert (answer["created"], answer["rejected_count"], len(answer["rejected"])) == (1, MOST_NAMED + 6, MOST_NAMED)
    assert answer["rejected"][0] == {"line": 1, "reason": "input: Field required"}


async def test_the_same_line_of_a_later_batch_names_the_earlier_one(owner: Person) -> None:
    path = await create_sample_set(owner, "known")

    answer = (await upload(owner, path, jsonl(450, letters=1) + jsonl(2, letters=1) + b'{"input": "known"}\n')).json()

    assert answer["created"] == 450
    assert answer["rejected"] == [
        {"line": 451, "reason": "the same sample as line 1"},
        {"line": 452, "reason": "the same sample as line 2"},
        {"line": 453, "reason": "the set has this sample already"},
    ]


async def test_two_uploads_of_one_file_store_it_once(owner: Person) -> None:
    path = await create_sample_set(owner)

    answers = await asyncio.gather(*(upload(owner, path, jsonl(300)) for _ in range(2)))

    assert sorted(answer.json()["created"] for answer in answers) == [0, 300]
    assert (await owner.client.get(path)).json()["sample_count"] == 300


@pytest.mark.own_database
async def test_a_slow_sender_holds_no_transaction(owner: Person, database: Database) -> None:
    path = await create_sample_set(owner)
    seen: list[int] = []

    async def slowly() -> AsyncIterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n{"input": '
        async with database.transaction() as session:
            idle = text("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%' AND datname = current_database()")
            seen.append(await session.scalar(idle) or 0)
        yield b'"one"}\r\n--x--\r\n'

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await owner.client.post(f"{path}/samples", content=slowly(), headers=headers)

    assert (answer.status_code, answer.json()["created"]) == (201, 1)
    assert seen == [0]


@pytest.mark.parametrize("form", ["jsonl", "csv"])
async def test_an_export_comes_in_again_as_the_same_samples(form: str, owner: Person) -> None:
    samples: list[dict[str, Any]] = [{**item, "context": (item.get("context") or "")[:1_000]} for item in HOSTILE]
    path = await create_sample_set(owner, *samples)
    exported = await owner.client.get(f"{path}/export", params={"format": form})
    assert exported.headers["Content-Type"].startswith("text/csv" if form == "csv" else "application/x-ndjson")
    assert exported.headers["Content-Disposition"].endswith(f'.{form}"')
    copy = await create_sample_set(owner)

    added = await upload(owner, copy, exported.content, f"export.{form}")
    again = await upload(owner, path, exported.content, f"export.{form}")

    assert added.json() == {"created": len(HOSTILE), "rejected": [], "rejected_count": 0}
    assert {refused["reason"] for refused in again.json()["rejected"]} == {"the set has this sample already"}
    assert (again.json()["created"], again.json()["rejected_count"]) == (0, len(HOSTILE))
    versions = [(await owner.client.post(f"{each}/publish")).json() for each in (path, copy)]
    assert versions[0]["content_hash"] == versions[1]["content_hash"]
    told = [{name: one[name] for name in ("input", "tags", "metadata")} for one in await list_samples(owner, copy)]
    assert told == [{name: one[name] for name in ("input", "tags", "metadata")} for one in await list_samples(owner, path)]


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_reading_a_file_takes_the_same_memory_whatever_its_size(form: str, tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.write(b"input\n" if form == "csv" else b"")
        for number in range(600):
            words = f"{number} " + "word " * 5_000
            file.write(words.encode() + b"\n" if form == "csv" else orjson.dumps({"input": words}) + b"\n")
    tracemalloc.start()
    try:
        with path.open("rb") as file:
            lines = read_csv(file) if form == "csv" else read_jsonl(file)
            read = sum(len(batch) for batch in in_batches(lines))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert read == 600
    assert peak < 4 * CHARACTERS_AT_ONCE < path.stat().st_size
