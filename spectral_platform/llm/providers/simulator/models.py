"""The simulator's models: what each plays, how fast it is and what it would cost."""

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

CHARACTERS_PER_TOKEN = 4


class Role(Enum):
    """What a model plays."""

    AGENT = "agent"
    JUDGE = "judge"
    PROPOSER = "proposer"


@dataclass(frozen=True)
class SimulatedModel:
    """One model. Prices are nominal, in USD per million tokens: nobody is billed, but budgets and ratios are real."""

    role: Role
    input_usd: Decimal
    output_usd: Decimal
    first_token_ms: int
    token_ms: float
    tier_penalty: float = 0.0
    """What the tier costs every behaviour, as a probability."""


MODELS: dict[str, SimulatedModel] = {
    "sim/standard": SimulatedModel(Role.AGENT, Decimal("1.00"), Decimal("4.00"), 260, 11.0),
    "sim/mini": SimulatedModel(Role.AGENT, Decimal("0.25"), Decimal("1.00"), 140, 6.0, tier_penalty=0.10),
    "sim/judge": SimulatedModel(Role.JUDGE, Decimal("1.00"), Decimal("4.00"), 220, 8.0),
    "sim/proposer": SimulatedModel(Role.PROPOSER, Decimal("3.00"), Decimal("12.00"), 600, 14.0),
}
AGENT_MODELS = tuple(name for name, model in MODELS.items() if model.role is Role.AGENT)


def count_tokens(text: str) -> int:
    """A plausible token count: a token for every four characters, at least one."""
    return max(1, -(-len(text) // CHARACTERS_PER_TOKEN))


def cut_to_tokens(text: str, limit: int) -> tuple[str, bool]:
    """The text within the limit, and whether something was cut off."""
    longest = limit * CHARACTERS_PER_TOKEN
    return text[:longest], len(text) > longest
