"""Cluster: group the failures by cause, so that each proposal works on one of them."""

import asyncio

from spectral_platform.changesets.clusters.clustering import cluster_failures
from spectral_platform.changesets.clusters.failures import Failure
from spectral_platform.scans.failures import case_of
from spectral_platform.scans.run import Run
from spectral_platform.worlds.splits import Split


async def cluster(run: Run) -> None:
    """Fill in each agent's failure clusters, the most harmful first."""
    inputs = {case.key: case.text for case in run.material.book.select(Split.TRAIN)}
    for agent in run.settings.agents:
        failures = [
            Failure(
                key=failure.key,
                text=f"{failure.feedback} {inputs[failure.case_key][:200]}",
                fingerprint=(failure.criterion,),
                severity=max(0.0, min(1.0, failure.severity)),
            )
            for failure in run.found.failures[agent.agent_id]
        ]
        clustering = await asyncio.to_thread(cluster_failures, failures)
        run.found.clusters[agent.agent_id] = clustering.clusters
        await run.emit(
            "failures_clustered",
            f"{len(failures)} failed criteria of {agent.name} form {len(clustering.clusters)} clusters.",
            subject=str(agent.agent_id),
            clusters=[
                {
                    "signature": found.signature,
                    "label": found.label,
                    "size": len({case_of(key) for key in found.members}),
                    "share": round(found.share, 4),
                    "severity": round(found.severity, 4),
                }
                for found in clustering.clusters
            ],
            unclustered=len(clustering.unclustered),
            stability=clustering.stability,
        )
    await run.save(
        "clusters",
        {
            str(agent_id): [found.model_dump(mode="json", exclude={"members", "medoids"}) for found in clusters]
            for agent_id, clusters in run.found.clusters.items()
        },
    )
