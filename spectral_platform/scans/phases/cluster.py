"""Cluster: group the failures of training cases and of traces by cause, so that each proposal works on one of them."""

import asyncio

from spectral_platform.changesets.clusters.clustering import cluster_failures
from spectral_platform.scans.cards import describe_clusters
from spectral_platform.scans.failures import as_clustered, case_of
from spectral_platform.scans.run import Run
from spectral_platform.worlds.splits import Split

SHOWN = {"signature", "label", "description", "fingerprint", "size", "share", "severity", "card"}
"""What a scan's report says of its clusters."""


async def cluster(run: Run) -> None:
    """Fill in each agent's failure clusters, the most harmful first, and what is recorded of them."""
    cases = {case.key: case for case in run.material.book.select(Split.TRAIN)}
    for agent in run.settings.agents:
        in_cases, in_traces = run.found.failures[agent.agent_id], run.found.traffic_of(agent).failures
        failures = as_clustered(in_cases, in_traces, cases, run.standard.instructions())
        clustering = await asyncio.to_thread(cluster_failures, failures)
        run.found.clusters[agent.agent_id] = tuple(
            found for found in clustering.clusters if not cases.keys().isdisjoint(map(case_of, found.members))
        )
        run.found.cards[agent.agent_id] = await asyncio.to_thread(describe_clusters, run, agent, clustering.clusters)
        run.emit(
            "failures_clustered",
            f"{len(in_cases) + len(in_traces)} failures of {agent.name} form {len(clustering.clusters)} clusters.",
            subject=str(agent.agent_id),
            clusters=[
                {
                    "signature": card.signature,
                    "label": card.label,
                    "size": card.size,
                    "traces": card.card.traces,
                    "share": round(card.share, 4),
                    "severity": round(card.severity, 4),
                    "category": card.card.category,
                    "addressable": card.card.addressable,
                }
                for card in run.found.cards[agent.agent_id]
            ],
            unclustered=len(clustering.unclustered),
            stability=clustering.stability,
        )
    run.save(
        "clusters",
        {
            str(agent_id): [card.model_dump(mode="json", include=SHOWN) for card in cards]
            for agent_id, cards in run.found.cards.items()
        },
    )
