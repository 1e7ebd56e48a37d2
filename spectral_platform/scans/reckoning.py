"""Reckoning: what a scan with these settings would take and could show, in figures and in words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.evaluations.terms import P95, Statistic
from spectral_platform.llm.providers.availability import is_simulated
from spectral_platform.llm.purposes import Purpose
from spectral_platform.samples.models import SampleSetVersion
from spectral_platform.scans.errors import BudgetTooSmall
from spectral_platform.scans.quoting import HELD_SHARE, CallPrices, Calls, Quote, Readiness, Shape, holdout_repeats, show
from spectral_platform.scans.settings import ResolvedSettings
from spectral_platform.statistics.power import cases_for_clean_quantile, spread_of_difference
from spectral_platform.statistics.sequential import plan_looks
from spectral_platform.worlds.rules import AppliesTo, load_world

BYTES_PER_TOKEN = 4
USUAL_INPUT_BYTES = 1_200
USUAL_ANSWER_TOKENS = 100
JUDGE_TOKENS = 700, 80
PROPOSER_TOKENS = 5_000, 500
EMBEDDED_TOKENS = 200
"""Usual sizes of a question and its answer, from scans of the demo."""

Price = Callable[[str, int, int], Decimal | None]
"""What a call of a model costs with so many tokens in and out, in US dollars; None = unknown."""


@dataclass(frozen=True)
class Plan:
    """A scan that could start: what it would use, whether it can show anything, and what of its budget the holdout needs."""

    settings: ResolvedSettings
    readiness: Readiness
    simulated: bool
    held_usd: Decimal
    held_calls: int


def reckon(
    settings: ResolvedSettings,
    shape: Shape,
    warnings: Sequence[str],
    configs: Sequence[AgentConfig],
    version: SampleSetVersion | None,
    price: Price,
) -> Plan:
    """The plan of a scan at these prices. Raises ``BudgetTooSmall`` where a search would not reach the sealed cases."""
    prices, budget = _prices(settings, configs, price), settings.budget
    searches = settings.explore or shape.holdout_groups >= settings.rigor.minimum_pairs
    candidates = shape.affordable(
        settings.max_candidates, max_calls=budget.max_model_calls, max_usd=budget.max_usd, prices=prices
    )
    if searches and candidates < 1:
        least = shape.all_calls(1)
        raise BudgetTooSmall(
            calls=least.total + shape.slack,
            max_model_calls=budget.max_model_calls,
            usd=_usd(shape.needed_usd(1, prices=prices)),
            max_usd=str(budget.max_usd),
        )
    if searches and candidates < settings.max_candidates:
        warnings = [*warnings, f"The budget buys about {candidates} of {settings.max_candidates} candidates."]
    if searches and any(constraint.statistic is Statistic.P95 for constraint in settings.constraints):
        last = plan_looks(shape.holdout_groups, settings.rigor.alpha)[-1]
        needed = cases_for_clean_quantile(P95, alpha=last.alpha)
        if shape.holdout_groups < needed:
            warnings = [
                *warnings,
                f"A limit on a 95th percentile can be shown from {needed} different holdout cases on; there are "
                f"{shape.holdout_groups}.",
            ]
    phases = shape.by_phase(candidates) if searches else {"observe": shape.model_copy(update={"writes": False}).observing}
    calls = sum(phases.values(), Calls())
    cost = prices.cost(calls)
    readiness = Readiness(
        mode="full" if version else "synthetic_only",
        curation_samples_count=version.sample_count if version else 0,
        evalset_available=bool(load_world(settings.world_model).active_rules(AppliesTo.OWN_STIMULI)),
        minimum_detectable_effect=None,
        noise=None,
        quote=Quote(
            max_candidates=candidates if searches else 0,
            max_usd=_usd(cost),
            model_calls=calls.total,
            by_phase={phase: found.total for phase, found in phases.items()},
        ),
        warnings=tuple(warnings),
    )
    held_share = HELD_SHARE
    if cost:
        held_share = max(held_share, (prices.cost(shape.holdout_calls) or Decimal(0)) / cost)
    spread = spread_of_difference(holdout_repeats(shape.holdout_groups))
    return Plan(
        settings=settings,
        readiness=show(readiness, shape.holdout_groups, spread, settings.rigor),
        simulated=all(is_simulated(config.hyperparameters.model) for config in configs),
        held_usd=(budget.max_usd * held_share).quantize(Decimal("0.000001")) if searches else Decimal(0),
        held_calls=shape.held_calls if searches else 0,
    )


def _prices(settings: ResolvedSettings, configs: Sequence[AgentConfig], price: Price) -> CallPrices:
    """What a call of each kind costs, as far as anybody knows; for agents, the mean over them, each on its dearest model."""
    agents = [_agent_price(config, settings.agent_models, price) for config in configs]
    known = [found for found in agents if found is not None]

    def of(purpose: Purpose, tokens: tuple[int, int]) -> Decimal | None:
        model = settings.models.get(purpose)
        return None if model is None else price(model, *tokens)

    return CallPrices(
        agent=sum(known, Decimal(0)) / len(known) if len(known) == len(agents) else None,
        judge=of(Purpose.SCORING, JUDGE_TOKENS),
        comparing=of(Purpose.EMBEDDING, (EMBEDDED_TOKENS, 0)),
        proposer=of(Purpose.REASONING, PROPOSER_TOKENS),
    )


def _agent_price(config: AgentConfig, others: Sequence[str], price: Price) -> Decimal | None:
    prompt = len(config.template.base_prompt.encode()) + sum(
        len(example.input.encode()) + len(example.output.encode()) for example in config.template.examples
    )
    tokens = (
        (prompt + USUAL_INPUT_BYTES) // BYTES_PER_TOKEN,
        min(USUAL_ANSWER_TOKENS, config.hyperparameters.max_output_tokens or USUAL_ANSWER_TOKENS),
    )
    prices = [price(model, *tokens) for model in (config.hyperparameters.model, *others)]
    known = [found for found in prices if found is not None]
    return max(known) if len(known) == len(prices) else None


def _usd(cost: Decimal | None) -> str | None:
    return None if cost is None else format(cost.quantize(Decimal("0.0001")).normalize(), "f")
