"""What a scan answers tools from: recordings of each agent's traces, as far as the case at hand may know them.

A training case is answered from traces that no sample was made of and from those of training samples, a dev case also from those
of dev samples, and a sealed one from all. So nothing that was recorded of a sealed sample gets into what a proposer reads.
"""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.agents.tools import read_only
from spectral_platform.core.access import Caller
from spectral_platform.evaluations.trajectories.queries import list_recordings
from spectral_platform.evaluations.trajectories.recordings import Playback, Recordings
from spectral_platform.scans.cases import Case
from spectral_platform.scans.models import Scan
from spectral_platform.scans.verdicts.evidence import is_replayable
from spectral_platform.worlds.readings import keeping
from spectral_platform.worlds.splits import Split


class Replay:
    """Recordings by agent and split; an agent without any is asked for its next turn alone."""

    def __init__(self) -> None:
        self._recordings: dict[UUID, dict[Split, Recordings]] = {}

    @property
    def agents(self) -> frozenset[UUID]:
        """The agents whose tools are answered."""
        return frozenset(self._recordings)

    def open(self, agent_id: UUID | None, case: Case) -> Playback | None:
        """What answers the tools of an agent while it runs on a case."""
        if agent_id is None or agent_id not in self._recordings:
            return None
        return Playback(self._recordings[agent_id][case.split], trace_id=case.source_trace_id)

    def drop(self, agent_id: UUID) -> None:
        """Answer this agent's tools no more."""
        self._recordings.pop(agent_id, None)

    async def load(
        self,
        session: AsyncSession,
        caller: Caller,
        scan: Scan,
        agent_id: UUID,
        config: AgentConfig,
        *,
        split: Split,
        open_groups: Collection[str],
    ) -> None:
        """Read what cases of a split may know.

        What arrived after the scan was asked for does not count, so that a scan that is resumed finds the same.
        """
        async with keeping(session):
            recordings = await list_recordings(
                session,
                caller,
                agent_id=agent_id,
                since=scan.settings.trace_since,
                until=scan.settings.trace_until,
                received_before=scan.created_at,
                open_groups=open_groups,
            )
        if recordings:
            found = Recordings(recordings, read_only=read_only(config.template.tools))
            self._recordings.setdefault(agent_id, dict.fromkeys(Split, Recordings(())))[split] = found


def replayable(configs: dict[UUID, AgentConfig]) -> dict[UUID, AgentConfig]:
    """The agents whose tools recordings may answer."""
    return {agent_id: config for agent_id, config in configs.items() if is_replayable(config)}
