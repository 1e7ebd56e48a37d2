"""Sample sets, samples and their versions over HTTP."""

import asyncio
import json
from typing import Any

import pytest

from spectral_platform.core.database import Database
from spectral_platform.samples import queries
from spectral_platform.worlds import commands as worlds
from tests.fixtures.callers import Person
from tests.samples.factories import create_sample_set, list_samples

LONG = "please tell me how long it usually takes until a refund for a returned parcel arrives on my credit card account"


async def publish(person: Person, path: str) -> dict[str, Any]:
    answer = await person.client.post(f"{path}/publish")
    assert answer.status_code in {200, 201}, answer.text
    version: dict[str, Any] = answer.json()
    return version


async def test_a_set_can_be_made_read_changed_and_deleted(owner: Person) -> None:
    made = await owner.client.post(f"{owner.w}/samples/sets", json={"name": "Refunds"})
    assert made.status_code == 201
    path = made.headers["Location"]
    assert (
        made.json().items()
        >= {
            "name": "Refunds",
            "description": None,
            "sample_count": 0,
            "published_version": None,
        }.items()
    )

    changed = await owner.client.patch(path, json={"description": "What people ask about refunds"})

    assert changed.json().items() >= {"name": "Refunds", "description": "What people ask about refunds"}.items()
    assert (await owner.client.get(path)).json() == changed.json()
    assert (await owner.client.get(f"{owner.w}/samples/sets")).json() == {
        "results": [changed.json()],
        "pagination": {"total": 1, "limit": 20, "offset": 0},
    }
    assert (await owner.client.delete(path)).status_code == 204
    assert (await owner.client.get(path)).status_code == 404


async def test_a_number_of_any_size_leaves_its_set_readable(owner: Person) -> None:
    path = await create_sample_set(owner, {"input": {"limit": 1e300}, "metadata": {"huge": 1e300}})

    (sample,) = await list_samples(owner, path)
    await publish(owner, path)
    exported = await owner.client.get(f"{path}/export")

    assert (sample["input"], sample["metadata"]) == ({"limit": 1e300}, {"huge": 1e300})
    assert json.loads(exported.text)["metadata"] == {"huge": 1e300}


async def test_a_set_counts_its_samples(owner: Person) -> None:
    path = await create_sample_set(owner, "one", "two")

    assert (await owner.client.get(path)).json()["sample_count"] == 2
    assert (await owner.client.patch(path, json={"name": "Renamed"})).json()["sample_count"] == 2


async def test_samples_are_stored_as_they_were_sent(owner: Person) -> None:
    full = {
        "input": {"question": "How long?", "limits": [1, 2]},
        "expected_output": "Five days.",
        "context": "Refunds take five days.",
        "metadata": {"channel": "phone"},
        "tags": ["refund"],
        "source_trace_id": "0af7651916cd43dd8448eb211c80319c",
        "weight": 2.5,
    }
    path = await create_sample_set(owner, full)

    [stored] = await list_samples(owner, path)

    assert stored.items() >= full.items()
    assert (await owner.client.get(f"{owner.w}/samples/{stored['id']}")).json() == stored


async def test_each_sample_is_judged_by_itself(owner: Person) -> None:
    path = await create_sample_set(owner, "known")

    answer = await owner.client.post(
        f"{path}/samples", json=[{"input": "known"}, {"input": "new"}, {"weight": 1}, {"input": "new", "tags": ["x"]}]
    )

    assert answer.status_code == 201
    assert answer.json()["created"] == 1
    assert [line["line"] for line in answer.json()["rejected"]] == [1, 3, 4]
    assert answer.json()["rejected"][0]["reason"] == "the set has this sample already"
    assert answer.json()["rejected"][2]["reason"] == "the same sample as line 2"
    assert {sample["input"] for sample in await list_samples(owner, path)} == {"known", "new"}


async def test_the_same_question_with_another_expected_output_is_another_sample(owner: Person) -> None:
    await create_sample_set(owner, {"input": "a", "expected_output": "b"}, {"input": "a", "expected_output": "c"})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cases.jsonl", b'{"input": "one"}\n{"input": ""}\n{"input": "two"}\n'),
        ("CASES.CSV", b"input,weight\none,1\ntoo heavy,many\ntwo,1\n"),
    ],
)
async def test_a_file_is_stored_line_by_line(owner: Person, name: str, content: bytes) -> None:
    path = await create_sample_set(owner)

    answer = await owner.client.post(f"{path}/samples", files={"file": (name, content)})

    assert answer.status_code == 201, answer.text
    assert answer.json()["created"] == 2
    assert len(answer.json()["rejected"]) == 1
    assert {sample["input"] for sample in await list_samples(owner, path)} == {"one", "two"}


async def test_a_file_that_cannot_be_read_stores_nothing(owner: Person) -> None:
    path = await create_sample_set(owner)

    answer = await owner.client.post(f"{path}/samples", files={"file": ("cases.csv", b'input\none\n"never closed\n')})

    assert answer.status_code == 400
    assert answer.json()["type"].endswith("/business-rule-violation")
    assert await list_samples(owner, path) == []


@pytest.mark.parametrize(
    ("request_options", "status", "location"),
    [
        ({"json": {"input": "not in a list"}}, 422, ["body"]),
        ({"content": b"[{", "headers": {"Content-Type": "application/json"}}, 422, ["body"]),
        ({"files": {"file": ("cases.xlsx", b"")}}, 422, ["body", "file"]),
        ({"files": {"other": ("cases.csv", b"input\na\n")}}, 422, ["body", "file"]),
        ({"content": b"input\na\n", "headers": {"Content-Type": "text/csv"}}, 415, None),
    ],
)
async def test_a_body_of_another_shape_is_refused(
    owner: Person, request_options: dict[str, Any], status: int, location: list[str] | None
) -> None:
    path = await create_sample_set(owner)

    answer = await owner.client.post(f"{path}/samples", **request_options)

    assert answer.status_code == status
    assert [error["location"] for error in answer.json().get("errors", [])] == ([location] if location else [])


async def test_a_change_names_its_fields_and_leaves_the_others(owner: Person) -> None:
    path = await create_sample_set(owner, {"input": "a", "expected_output": "b", "tags": ["x"]})
    [sample] = await list_samples(owner, path)

    changed = await owner.client.patch(f"{owner.w}/samples/{sample['id']}", json={"expected_output": None, "weight": 3})

    assert changed.status_code == 200
    expected = {"input": "a", "expected_output": None, "tags": ["x"], "weight": 3}
    assert changed.json().items() >= expected.items()
    assert await list_samples(owner, path) == [changed.json()]


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
@pytest.mark.parametrize(("change", "place"), [({"input": {"n": [0]}}, "input"), ({"metadata": {"n": [0]}}, "metadata")])
async def test_a_number_that_is_not_finite_is_refused(change: dict[str, Any], place: str, number: str, owner: Person) -> None:
    path = await create_sample_set(owner, "a")
    [sample] = await list_samples(owner, path)
    body = json.dumps(change).replace("0", number)
    headers = {"Content-Type": "application/json"}

    changed = await owner.client.patch(f"{owner.w}/samples/{sample['id']}", content=body, headers=headers)
    added = await owner.client.post(f"{path}/samples", content=f"[{body}]", headers=headers)

    assert (changed.status_code, added.status_code) == (422, 422)
    assert changed.json()["errors"][0]["location"][:2] == ["body", place]
    assert await list_samples(owner, path) == [sample]


async def test_a_change_that_makes_two_samples_the_same_is_refused(owner: Person) -> None:
    path = await create_sample_set(owner, "a", "b")
    sample = next(sample for sample in await list_samples(owner, path) if sample["input"] == "b")

    answer = await owner.client.patch(f"{owner.w}/samples/{sample['id']}", json={"input": "a"})

    assert answer.status_code == 400
    assert {one["input"] for one in await list_samples(owner, path)} == {"a", "b"}


async def test_publishing_numbers_the_versions_and_names_where_they_are(owner: Person) -> None:
    path = await create_sample_set(owner, "a", "b")

    first = await owner.client.post(f"{path}/publish")
    await owner.client.post(f"{path}/samples", json=[{"input": "c"}])
    second = await owner.client.post(f"{path}/publish")

    assert first.status_code == second.status_code == 201
    assert (first.json()["number"], first.json()["sample_count"]) == (1, 2)
    assert (second.json()["number"], second.json()["sample_count"]) == (2, 3)
    assert first.json()["content_hash"] != second.json()["content_hash"]
    assert (await owner.client.get(second.headers["Location"])).json() == second.json()
    listed = (await owner.client.get(f"{path}/versions")).json()
    assert listed["results"] == [second.json(), first.json()]
    assert (await owner.client.get(path)).json()["published_version"] == 2


async def test_publishing_what_has_not_changed_makes_no_version(owner: Person) -> None:
    path = await create_sample_set(owner, "a", "b")
    first = await owner.client.post(f"{path}/publish")

    again = await owner.client.post(f"{path}/publish")

    assert again.status_code == 200
    assert again.json() == first.json()


async def test_of_two_publications_at_once_one_makes_the_version(owner: Person) -> None:
    path = await create_sample_set(owner, "a", "b")

    answers = await asyncio.gather(*(owner.client.post(f"{path}/publish") for _ in range(2)))

    assert sorted(answer.status_code for answer in answers) == [200, 201]
    assert answers[0].json() == answers[1].json()


async def test_of_two_uploads_of_one_sample_at_once_one_is_stored(owner: Person) -> None:
    path = await create_sample_set(owner)

    answers = await asyncio.gather(*(owner.client.post(f"{path}/samples", json=[{"input": "a"}]) for _ in range(2)))

    assert sorted(answer.json()["created"] for answer in answers) == [0, 1]


async def test_the_content_hash_depends_on_the_content_alone(owner: Person, stranger: Person) -> None:
    one = await publish(owner, await create_sample_set(owner, "a", {"input": "b", "weight": 2}))
    other = await publish(stranger, await create_sample_set(stranger, {"input": "b", "weight": 2}, "a"))
    heavier = await publish(owner, await create_sample_set(owner, "a", {"input": "b", "weight": 3}))

    assert one["content_hash"] == other["content_hash"] != heavier["content_hash"]


async def test_an_empty_set_cannot_be_published(owner: Person) -> None:
    answer = await owner.client.post(f"{await create_sample_set(owner)}/publish")

    assert answer.status_code == 400
    assert answer.json()["type"].endswith("/business-rule-violation")


async def test_later_changes_and_deletions_leave_a_version_as_it_was(owner: Person) -> None:
    path = await create_sample_set(owner, "a", "b")
    await publish(owner, path)
    before = (await owner.client.get(f"{path}/export", params={"version": 1})).text
    first, second = await list_samples(owner, path)

    await owner.client.patch(f"{owner.w}/samples/{first['id']}", json={"input": "changed"})
    await owner.client.delete(f"{owner.w}/samples/{second['id']}")

    assert (await owner.client.get(f"{path}/export", params={"version": 1})).text == before
    assert {json.loads(line)["input"] for line in before.splitlines()} == {"a", "b"}
    assert [json.loads(line)["input"] for line in (await owner.client.get(f"{path}/export")).text.splitlines()] == ["changed"]


async def test_an_export_can_be_uploaded_again(owner: Person) -> None:
    path = await create_sample_set(owner, {"input": {"a": "b"}, "tags": ["x"]}, "two", {"input": "three", "weight": 2})
    exported = await owner.client.get(f"{path}/export")
    assert exported.headers["Content-Type"].startswith("application/x-ndjson")
    copy = await create_sample_set(owner)

    added = await owner.client.post(f"{copy}/samples", files={"file": ("export.jsonl", exported.content)})

    assert added.json() == {"created": 3, "rejected": [], "rejected_count": 0}
    assert (await publish(owner, copy))["content_hash"] == (await publish(owner, path))["content_hash"]


async def groups_of(database: Database, person: Person, version: dict[str, Any]) -> dict[str, str]:
    async with database.transaction(account_id=person.account_id, workspace_id=person.workspace_id) as session:
        published = await queries.list_version_samples(session, person.workspace_id, version["id"])
    return {sample.content.input_text: sample.content_group for sample in published}


async def test_near_duplicates_share_a_content_group_across_versions_and_sets(owner: Person, database: Database) -> None:
    path = await create_sample_set(owner, LONG, "where is my parcel")
    first = await groups_of(database, owner, await publish(owner, path))
    await owner.client.post(f"{path}/samples", json=[{"input": f"{LONG} please"}, {"input": "0"}])
    second = await groups_of(database, owner, await publish(owner, path))
    elsewhere = await create_sample_set(owner, f"{LONG}, thanks!", LONG.upper())
    third = await groups_of(database, owner, await publish(owner, elsewhere))

    assert first[LONG] != first["where is my parcel"]
    assert second.items() >= first.items()
    assert {second[f"{LONG} please"], *third.values()} == {first[LONG]}


async def test_the_engine_finds_the_newest_published_version(owner: Person, database: Database) -> None:
    unpublished = await create_sample_set(owner, "a")
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        assert await queries.find_published_version(session, owner.workspace_id) is None
    first = await publish(owner, await create_sample_set(owner, "a"))
    second = await publish(owner, await create_sample_set(owner, "b"))

    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        newest = await queries.find_published_version(session, owner.workspace_id)
        of_first = await queries.find_published_version(session, owner.workspace_id, first["sample_set_id"])
        of_none = await queries.find_published_version(session, owner.workspace_id, unpublished.rpartition("/")[2])  # type: ignore[arg-type]  # an id from a path

    assert newest is not None
    assert str(newest.id) == second["id"]
    assert of_first is not None
    assert str(of_first.id) == first["id"]
    assert of_none is None


async def test_no_answer_tells_which_samples_are_held_out(owner: Person, database: Database) -> None:
    path = await create_sample_set(owner, *(f"question number {number}" for number in range(30)))
    version = await publish(owner, path)
    groups = await groups_of(database, owner, version)
    async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
        await worlds.assign_splits(session, owner.workspace_id, groups.values())
    [sample, *_] = await list_samples(owner, path)

    answers = [
        await owner.client.get(f"{owner.w}/samples/sets"),
        await owner.client.get(path),
        await owner.client.patch(path, json={"name": "Renamed"}),
        await owner.client.get(f"{path}/samples", params={"limit": 200}),
        await owner.client.get(f"{path}/versions"),
        await owner.client.get(f"{path}/versions/1"),
        await owner.client.get(f"{path}/export"),
        await owner.client.get(f"{path}/export", params={"version": 1}),
        await owner.client.get(f"{owner.w}/samples/{sample['id']}"),
        await owner.client.patch(f"{owner.w}/samples/{sample['id']}", json={"tags": ["x"]}),
        await owner.client.post(f"{path}/samples", json=[{"input": "question number 1"}, {"input": "another"}]),
        await owner.client.post(f"{path}/publish"),
    ]

    for answer in answers:
        assert answer.is_success, answer.text
        for word in ("split", "holdout", "train", '"dev', "content_group", *groups.values()):
            assert word not in answer.text, (word, answer.request.url)


async def test_samples_of_another_tenant_look_absent(owner: Person, stranger: Person) -> None:
    path = await create_sample_set(owner, "a")
    [sample] = await list_samples(owner, path)
    foreign = path.replace(str(owner.workspace_id), str(stranger.workspace_id))

    for method, url in [
        ("GET", foreign),
        ("DELETE", foreign),
        ("GET", f"{foreign}/samples"),
        ("GET", f"{foreign}/export"),
        ("POST", f"{foreign}/publish"),
        ("GET", f"{foreign}/versions/1"),
        ("GET", f"{stranger.w}/samples/{sample['id']}"),
        ("DELETE", f"{stranger.w}/samples/{sample['id']}"),
    ]:
        assert (await stranger.client.request(method, url)).status_code == 404, (method, url)
    assert (await stranger.client.post(f"{foreign}/samples", json=[{"input": "b"}])).status_code == 404


async def test_text_that_the_database_cannot_keep_is_a_mistake_of_the_request(owner: Person) -> None:
    answer = await owner.client.post(f"{owner.w}/samples/sets", json={"name": "a\0b"})

    assert answer.status_code == 422
