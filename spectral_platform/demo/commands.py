"""Making the demo workspace: an account of its own, with everything that a first scan needs."""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from spectral_platform.accounts.commands import create_account
from spectral_platform.agents.commands import create_agent
from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.agents.rendering import render_request
from spectral_platform.core import clock
from spectral_platform.core.access import Caller
from spectral_platform.core.database import bind_tenant
from spectral_platform.core.randomness import derive
from spectral_platform.core.settings import Settings
from spectral_platform.demo import content
from spectral_platform.demo.queries import WORKSPACE_NAME, Demo
from spectral_platform.evaluations.objectives.commands import create_objective
from spectral_platform.evaluations.rubrics.commands import create_rubric
from spectral_platform.llm.commands import choose_models
from spectral_platform.llm.providers.simulator import SimulatorProvider
from spectral_platform.llm.purposes import Purpose
from spectral_platform.samples.commands import add_samples, create_sample_set, publish_sample_set
from spectral_platform.samples.content import SampleContent
from spectral_platform.samples.parsing import AcceptedLine
from spectral_platform.traces.commands import record_spans
from spectral_platform.traces.reports import TraceReport, spans_of_reports
from spectral_platform.workspaces.commands import create_workspace, update_workspace
from spectral_platform.worlds.commands import install_split_key

ACCOUNT_NAME = "Spectral demo"
TRACES = 48
TRACES_SPAN = timedelta(hours=24)
MODELS = {
    Purpose.SCORING: "sim/judge",
    Purpose.REASONING: "sim/proposer",
    Purpose.DETECTION: "sim/judge",
    Purpose.AGENT_TURN: "sim/standard",
    Purpose.AGENT_TOOL: "sim/standard",
    Purpose.CUSTOMER_REPLAY: "sim/standard",
    Purpose.WORLD_AGENT: "sim/standard",
}


async def create_demo(session: AsyncSession, server: Settings, *, email: str, password_hash: str) -> Demo:
    """Make the demo account and workspace. Raises ``EmailTaken`` when somebody is registered under the email address."""
    owner = await create_account(session, name=ACCOUNT_NAME, email=email, password_hash=password_hash)
    workspace = await create_workspace(session, owner, name=WORKSPACE_NAME)
    await bind_tenant(session, account_id=owner.account_id, workspace_id=workspace.id)
    caller = owner.model_copy(update={"workspace_id": workspace.id})
    await choose_models(session, workspace_id=workspace.id, purposes=MODELS)
    agent = await create_agent(
        session, caller, server, name=content.AGENT_NAME, description=content.AGENT_DESCRIPTION, config=content.agent_config()
    )
    samples = content.load_samples()
    await _publish(session, caller, samples)
    rubric = await create_rubric(session, caller, name=content.RUBRIC_NAME, dimensions=content.rubric_dimensions())
    await create_objective(
        session,
        caller,
        name=content.OBJECTIVE_NAME,
        rubric_id=rubric.rubric_id,
        terms=content.objective_terms(),
        is_default=True,
    )
    await update_workspace(session, caller, changes={"scan_defaults": content.SCAN_DEFAULTS})
    await _record_conversations(session, caller, content.agent_config(), samples[:: max(1, len(samples) // TRACES)][:TRACES])
    return Demo(account_id=owner.account_id, workspace_id=workspace.id, agent_id=agent.id)


async def _publish(session: AsyncSession, caller: Caller, samples: tuple[SampleContent, ...]) -> None:
    await install_split_key(session, caller.workspace, content.SPLIT_KEY)
    sample_set = await create_sample_set(session, caller, name=content.SAMPLE_SET_NAME, description=None)
    lines = [AcceptedLine(line=number, content=sample) for number, sample in enumerate(samples, 1)]
    await add_samples(session, caller, sample_set.id, lines=lines)
    await publish_sample_set(session, caller, sample_set.id)


async def _record_conversations(
    session: AsyncSession, caller: Caller, config: AgentConfig, samples: tuple[SampleContent, ...]
) -> None:
    """What the agent answered customers during the last day, as the simulator plays it."""
    simulator = SimulatorProvider()
    moment = clock.now()
    reports = []
    for number, sample in enumerate(samples):
        seed = derive(content.SCAN_DEFAULTS["seed"], "demo trace", number) % 2**31
        request = render_request(config, input=sample.input_text, context=sample.context, seed=seed)
        answer = await simulator.complete(request)
        reports.append(
            TraceReport(
                agent=content.AGENT_NAME,
                input=sample.input_text,
                output=answer.text,
                started_at=moment - TRACES_SPAN * (len(samples) - number) / len(samples),
                latency_ms=answer.latency_ms,
                model=request.model,
                input_tokens=answer.input_tokens,
                output_tokens=answer.output_tokens,
                session_id=f"demo-{number // 3}",
                tags=("simulated",),
                metadata={"spectral.simulated": True, "spectral.config.version": 1},
            )
        )
    size_bytes = sum(len(report.input) for report in reports)
    await record_spans(session, caller, drafts=spans_of_reports(reports), size_bytes=size_bytes)
