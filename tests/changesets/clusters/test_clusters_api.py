"""Failure clusters over HTTP."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from spectral_platform.changesets.clusters.carrying import carry
from spectral_platform.changesets.clusters.commands import record_clusters, settle_unseen
from spectral_platform.changesets.clusters.findings import ClusterFinding, FailureFinding
from spectral_platform.changesets.states import Outcome
from spectral_platform.core.access import system_caller
from spectral_platform.core.database import Database
from tests.agents.factories import config, create_agent, merge
from tests.changesets.factories import change, finding, make_changeset
from tests.fixtures.callers import Person

TOLD = text(
    "SELECT args->'work'->>'event' FROM procrastinate_jobs WHERE args->'work'->'facts'->>'cluster_id' = :cluster ORDER BY id"
)


async def see(database: Database, person: Person, *findings: ClusterFinding) -> None:
    """A scan that makes no changeset records what it found."""
    async with database.transaction(account_id=person.account_id, workspace_id=person.workspace_id) as session:
        caller = system_caller(person.account_id, person.workspace_id)
        await record_clusters(session, caller, scan_id=uuid4(), findings=await carry(session, caller, findings))


async def listed(person: Person, path: str = "clusters", **query: str) -> list[dict[str, Any]]:
    answer = await person.client.get(f"{person.w}/changesets/{path}", params=query)
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    return results


async def decide(person: Person, cluster: dict[str, Any], **changes: Any) -> Any:
    return await person.client.patch(f"{person.w}/changesets/clusters/{cluster['cluster_id']}", json=changes)


async def test_a_cluster_keeps_its_id_and_follows_the_last_scan(database: Database, owner: Person) -> None:
    await see(database, owner, finding("c1", size=12))
    (first,) = await listed(owner)
    await see(database, owner, finding("c1", size=5, share=0.1), finding("c2"))

    again, other = sorted(await listed(owner), key=lambda cluster: str(cluster["signature"]))

    assert again["id"] == again["cluster_id"] == first["cluster_id"] != other["cluster_id"]
    assert (again["size"], again["share"], again["status"], again["reopened"]) == (5, 0.1, "open", False)
    assert [point["size"] for point in again["trend"]] == [12, 5]
    assert again["first_seen_at"] == first["first_seen_at"] < again["last_seen_at"]
    assert again["exemplar_trace_ids"] == ["0af7651916cd43dd8448eb211c80319c"]


async def test_a_changeset_shows_the_figures_of_its_own_scan(database: Database, owner: Person, stranger: Person) -> None:
    agent = await create_agent(owner, config=config())
    changeset_id = await make_changeset(database, owner, change(agent), clusters=(finding("c1", size=12), finding("c2", size=3)))
    await make_changeset(database, owner, outcome=Outcome.VALIDATED_NO_CHANGE, clusters=(finding("c1", size=40),))

    own = await listed(owner, f"{changeset_id}/clusters", sort="-size")

    assert [(cluster["signature"], cluster["size"]) for cluster in own] == [("c1", 12), ("c2", 3)]
    now = {cluster["signature"]: cluster for cluster in await listed(owner)}
    assert now["c1"]["size"] == 40
    assert now["c1"]["cluster_id"] == own[0]["cluster_id"] == own[0]["id"]
    assert own[0]["trend"] == now["c1"]["trend"]
    assert await listed(stranger) == []
    assert (await stranger.client.get(f"{stranger.w}/changesets/{changeset_id}/clusters")).status_code == 404


async def test_a_resolved_cluster_that_comes_back_opens_again(database: Database, owner: Person) -> None:
    await see(database, owner, finding("resolved"), finding("dismissed"), finding("acknowledged"))
    for cluster in await listed(owner):
        answer = await decide(owner, cluster, status=cluster["signature"], note="Seen.")
        assert answer.status_code == 200, answer.text

    await see(database, owner, finding("resolved"), finding("dismissed"), finding("acknowledged"))

    now = {cluster["signature"]: cluster for cluster in await listed(owner)}
    assert {name: (cluster["status"], cluster["reopened"]) for name, cluster in now.items()} == {
        "resolved": ("open", True),
        "dismissed": ("dismissed", False),
        "acknowledged": ("acknowledged", False),
    }
    assert {cluster["note"] for cluster in now.values()} == {"Seen."}
    assert [cluster["signature"] for cluster in await listed(owner, status="open")] == ["resolved"]


async def test_a_name_that_somebody_gave_stays(database: Database, owner: Person) -> None:
    await see(database, owner, finding("c1"))
    (cluster,) = await listed(owner)
    await decide(owner, cluster, label="Too long")

    await see(database, owner, finding("c1", label="brevity"))

    shown = await owner.client.get(f"{owner.w}/changesets/clusters/{cluster['cluster_id']}")
    assert shown.json()["label"] == "Too long"
    assert shown.json()["status"] == "open"


@pytest.mark.parametrize(("status", "to", "answer"), [("dismissed", "resolved", 400), ("dismissed", "dismissed", 200)])
async def test_clusters_move_only_as_the_table_says(database: Database, owner: Person, status: str, to: str, answer: int) -> None:
    await see(database, owner, finding("c1"))
    (cluster,) = await listed(owner)
    await decide(owner, cluster, status=status)

    assert (await decide(owner, cluster, status=to)).status_code == answer


async def test_clusters_of_others_do_not_exist(database: Database, owner: Person, stranger: Person) -> None:
    await see(database, owner, finding("c1"))
    await see(database, stranger, finding("c1"))
    (cluster,), (foreign,) = await listed(owner), await listed(stranger)

    assert cluster["cluster_id"] != foreign["cluster_id"]
    assert (await decide(owner, foreign, status="resolved")).status_code == 404


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def failed(name: str, criterion: str = "sources", *, trace_id: str | None = None) -> FailureFinding:
    """A failure in a training case, or in the trace that is named."""
    return FailureFinding(
        key=f"{name}\x1f{criterion}",
        likeness=f"{name}:{criterion}",
        case_key=None if trace_id else name,
        trace_id=trace_id,
        criterion=criterion,
        feedback="Name the source.",
        severity=0.5,
    )


def found(signature: str, agent: dict[str, Any], *failures: FailureFinding, **figures: Any) -> ClusterFinding:
    """A cluster of these failures."""
    figures = {
        "size": len({failure.place for failure in failures}),
        "fingerprint": ("sources",),
        "exemplar_trace_ids": (),
    } | figures
    return finding(signature, agent_id=agent["id"], failures=failures, **figures)


async def post(person: Person, path: str, body: dict[str, Any], expected: int) -> dict[str, Any]:
    answer = await person.client.post(f"{person.w}/changesets/clusters/{path}", json=body)
    assert answer.status_code == expected, answer.text
    read: dict[str, Any] = answer.json()
    return read


async def shown(person: Person, cluster_id: str, path: str = "") -> dict[str, Any]:
    answer = await person.client.get(f"{person.w}/changesets/clusters/{cluster_id}{path}")
    assert answer.status_code == 200, answer.text
    read: dict[str, Any] = answer.json()
    return read


async def test_an_id_stays_with_its_failures_whatever_they_are_called(database: Database, owner: Person) -> None:
    agent = await create_agent(owner, config=config())
    await see(database, owner, found("one", agent, *map(failed, "abcd")), found("two", agent, *map(failed, "pqrs")))
    before = {cluster["signature"]: cluster["cluster_id"] for cluster in await listed(owner)}

    await see(
        database, owner, found("two", agent, *map(failed, "bcde")), found("new", agent, *map(failed, "xyz"), fingerprint=())
    )

    now = {cluster["signature"]: cluster for cluster in await listed(owner)}
    assert now["new"]["cluster_id"] not in before.values()
    renamed = await shown(owner, before["one"])
    assert (renamed["signature"], renamed["size"], len(renamed["trend"])) == ("two", 4, 2)
    assert renamed["card"]["share_change"] == 0
    failures = (await shown(owner, before["one"], "/failures"))["results"]
    assert sorted(failure["case_key"] for failure in failures) == ["b", "c", "d", "e"]


async def test_the_clusters_of_an_agent_that_was_merged_are_the_other_agents(database: Database, owner: Person) -> None:
    agent, alias = [await create_agent(owner) for _ in range(2)]
    await see(database, owner, found("one", alias, *map(failed, "abcd")))
    (before,) = await listed(owner)

    assert (await merge(owner, alias["id"], agent["id"])).status_code == 200
    await see(database, owner, found("two", agent, *map(failed, "abcd")))

    (now,) = await listed(owner, agent_id=agent["id"])
    assert (now["cluster_id"], now["agent_id"], len(now["trend"])) == (before["cluster_id"], agent["id"], 2)


async def test_a_merged_cluster_stays_merged_in_the_next_scan(database: Database, owner: Person, stranger: Person) -> None:
    agent = await create_agent(owner, config=config())
    ones, twos = [failed(name) for name in "abc"], [failed(name, "brevity") for name in "cd"]
    await see(database, owner, found("one", agent, *ones), found("two", agent, *twos))
    ids = {cluster["signature"]: cluster["cluster_id"] for cluster in await listed(owner)}

    for _ in range(2):  # again changes nothing
        merged = await post(owner, f"{ids['two']}/merge", {"into": ids["one"]}, 200)
        assert (merged["cluster_id"], merged["size"]) == (ids["one"], 4)
    assert (await shown(owner, ids["two"]))["merged_into_id"] == ids["one"]
    await see(database, owner, found("one", agent, *ones), found("two", agent, *twos, failed("e", "brevity")))

    (only,) = await listed(owner)
    assert (only["cluster_id"], only["size"]) == (ids["one"], 5)
    assert (await shown(owner, ids["one"], "/failures"))["pagination"]["total"] == 6
    assert "merged" in (await post(owner, f"{ids['two']}/split", {"label": "x", "criterion": "brevity"}, 400))["detail"]
    await post(owner, f"{ids['one']}/merge", {"into": ids["one"]}, 400)
    await post(stranger, f"{ids['one']}/merge", {"into": ids["two"]}, 404)


async def test_a_part_that_was_split_off_stays_apart_in_the_next_scan(database: Database, owner: Person) -> None:
    agent = await create_agent(owner, config=config())
    failures = [*(failed(name) for name in "abcd"), *(failed(name, "brevity") for name in "ef")]
    await see(database, owner, found("one", agent, *failures))
    (whole,) = await listed(owner)

    part = await post(owner, f"{whole['cluster_id']}/split", {"label": "Too long", "criterion": "brevity"}, 201)
    assert (part["label"], part["size"]) == ("Too long", 2)
    first = (await shown(owner, whole["cluster_id"], "/failures?sort=seen_at"))["results"][0]
    by_hand = {"label": "One case", "failure_ids": [first["failure_id"]]}
    single = await post(owner, f"{whole['cluster_id']}/split", by_hand, 201)
    await see(database, owner, found("renamed", agent, *failures, failed("g", "brevity")))

    now = {cluster["cluster_id"]: (cluster["label"], cluster["size"]) for cluster in await listed(owner)}
    assert now[part["cluster_id"]] == ("Too long", 3)
    assert now[single["cluster_id"]] == ("One case", 1)
    assert now[whole["cluster_id"]][1] == 3
    assert len(now) == 3
    for body in ({"label": "x", "criterion": "nothing"}, {"label": "x", "criterion": "sources"}):
        await post(owner, f"{whole['cluster_id']}/split", body, 400)
    await post(owner, f"{whole['cluster_id']}/split", {"label": "x"}, 422)


async def test_traces_of_a_cluster_are_listed_and_become_samples(database: Database, owner: Person) -> None:
    agent = await create_agent(owner, config=config())
    spans = {"trace_id": TRACE, "agent": agent["name"], "input": "Where is order 4711?", "output": "No idea."}
    sent = await owner.client.post(f"{owner.w}/traces", json={"traces": [spans]})
    assert sent.status_code == 202, sent.text
    await see(database, owner, found("one", agent, failed("a"), failed("t", trace_id=TRACE), failed("u", trace_id="f" * 32)))
    (cluster,) = await listed(owner)

    traces = await shown(owner, cluster["cluster_id"], "/traces")
    same = (await owner.client.get(f"{owner.w}/traces", params={"cluster_id": cluster["cluster_id"]})).json()
    assert [trace["trace_id"] for trace in traces["results"]] == [TRACE] == [trace["trace_id"] for trace in same["results"]]
    sample_set = (await owner.client.post(f"{owner.w}/samples/sets", json={"name": "Regressions"})).json()
    body = {"sample_set_id": sample_set["id"]}
    assert (await post(owner, f"{cluster['cluster_id']}/samples", body, 201))["created"] == 1
    again = await post(owner, f"{cluster['cluster_id']}/samples", body, 201)
    assert (again["created"], [refused["trace_id"] for refused in again["rejected"]]) == (0, [TRACE])
    (sample,) = (await owner.client.get(f"{owner.w}/samples/sets/{sample_set['id']}/samples")).json()["results"]
    assert sample["tags"] == ["regression", f"cluster:{cluster['cluster_id']}"]

    await owner.client.delete(f"{owner.w}/traces/{TRACE}")
    assert (await shown(owner, cluster["cluster_id"], "/traces"))["results"] == []


async def test_two_scans_that_look_and_do_not_see_a_cluster_resolve_it(database: Database, owner: Person) -> None:
    agent = await create_agent(owner, config=config())
    await see(
        database, owner, found("one", agent, failed("a")), found("other", agent, failed("z", "tone"), fingerprint=("tone",))
    )
    statuses = []
    for _ in range(2):
        async with database.transaction(account_id=owner.account_id, workspace_id=owner.workspace_id) as session:
            caller = system_caller(owner.account_id, owner.workspace_id)
            await settle_unseen(session, caller, scan_id=uuid4(), agent_ids=[UUID(agent["id"])], criteria={"sources"})
        statuses.append({cluster["signature"]: cluster["status"] for cluster in await listed(owner)})

    assert statuses == [{"one": "open", "other": "open"}, {"one": "resolved", "other": "open"}]
    await see(database, owner, found("one", agent, failed("a")))
    assert {(cluster["signature"], cluster["reopened"]) for cluster in await listed(owner)} == {("one", True), ("other", False)}
    one = next(cluster for cluster in await listed(owner) if cluster["signature"] == "one")
    async with database.transaction() as session:
        told = await session.scalars(TOLD, {"cluster": one["cluster_id"]})
    assert told.all() == ["cluster.opened", "cluster.resolved", "cluster.reopened"]


async def test_scans_that_end_at_once_mint_an_id_once(database: Database, owner: Person) -> None:
    agent = await create_agent(owner, config=config())
    seen = found("one", agent, *map(failed, "abc"))

    await asyncio.gather(*(see(database, owner, seen) for _ in range(4)))

    (cluster,) = await listed(owner)
    assert len(cluster["trend"]) == 4
