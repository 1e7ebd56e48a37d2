"""Failure clusters over HTTP."""

from typing import Any
from uuid import uuid4

import pytest

from spectral_platform.changesets.clusters.commands import record_clusters
from spectral_platform.changesets.clusters.findings import ClusterFinding
from spectral_platform.changesets.states import Outcome
from spectral_platform.core.access import system_caller
from spectral_platform.core.database import Database
from tests.agents.factories import config, create_agent
from tests.changesets.factories import change, finding, make_changeset
from tests.fixtures.callers import Person


async def see(database: Database, person: Person, *findings: ClusterFinding) -> None:
    """A scan that makes no changeset records what it found."""
    async with database.transaction(account_id=person.account_id, workspace_id=person.workspace_id) as session:
        caller = system_caller(person.account_id, person.workspace_id)
        await record_clusters(session, caller, scan_id=uuid4(), findings=findings)


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
