"""The endpoints that agents run behind: keeping their secret headers, and opening them for the calls of a scan."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.agents.errors import SecretHeadersUnknown, SecretHeadersUnreadable
from spectral_platform.agents.headers import SecretHeaders, origin_of
from spectral_platform.agents.models import Agent, EndpointHeaders
from spectral_platform.core.sealing import Seal, SealBroken
from spectral_platform.core.settings import Settings


async def keep_secret_headers(session: AsyncSession, server: Settings, agent: Agent, config: AgentConfig) -> AgentConfig:
    """The config as it may be stored: its secret headers sealed apart from it, or those that it names found to be its own.

    Secret headers stay with the agent and the origin that they were given for: whoever may write a config must not learn them by
    naming another server. Raises ``OutboundRefused`` for a URL that may not be called, and ``SecretHeadersUnknown``.
    """
    execution = config.execution
    if execution is None or execution.url is None:
        return config
    server.outbound.check(str(execution.url))
    kept: EndpointHeaders | None = None
    if execution.headers_secret:
        headers = SecretHeaders.of(execution.headers_secret)
        kept = EndpointHeaders(
            workspace_id=agent.workspace_id,
            agent_id=agent.id,
            origin=origin_of(execution.url),
            names=list(headers),
            headers=server.seal.close(headers.written()),
        )
        session.add(kept)
        await session.flush()
    elif execution.headers_secret_id is not None:
        kept = await session.scalar(
            EndpointHeaders.in_workspace(agent.workspace_id).where(
                EndpointHeaders.id == execution.headers_secret_id,
                EndpointHeaders.agent_id == agent.id,
                EndpointHeaders.origin == origin_of(execution.url),
            )
        )
        if kept is None:
            raise SecretHeadersUnknown(execution.headers_secret_id)
    stored = execution.model_copy(
        update={
            "headers_secret": None,
            "headers_secret_id": kept.id if kept else None,
            "headers_secret_names": tuple(kept.names) if kept else (),
        }
    )
    return config.model_copy(update={"execution": stored})


async def open_secret_headers(
    session: AsyncSession, workspace_id: UUID, seal: Seal, configs: Iterable[AgentConfig]
) -> dict[UUID, SecretHeaders]:
    """The secret headers that these configs refer to, in the clear, by id. Raises ``SecretHeadersUnreadable``."""
    wanted = {config.execution.headers_secret_id for config in configs if config.execution is not None}
    rows = await session.execute(
        select(EndpointHeaders.id, EndpointHeaders.headers).where(
            EndpointHeaders.workspace_id == workspace_id, EndpointHeaders.id.in_(wanted - {None})
        )
    )
    try:
        found = {row.id: SecretHeaders.parse(seal.open(row.headers)) for row in rows}
    except SealBroken as error:
        raise SecretHeadersUnreadable from error
    if missing := wanted - {None} - found.keys():
        raise SecretHeadersUnknown(next(iter(missing)))
    return found
