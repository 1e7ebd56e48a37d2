"""What a workspace pays for models, where that is not what the price book says."""

from decimal import Decimal
from functools import cached_property
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from spectral_platform.core.values import Value
from spectral_platform.workspaces.policies.kinds import Policy, PolicyKind

MILLION = Decimal(1_000_000)
MOST_PRICES = 1_000

PerMillion = Annotated[Decimal, Field(ge=0, le=1_000_000, max_digits=16, decimal_places=9, allow_inf_nan=False)]


class ModelPrice(Value):
    """What tokens of one model cost, in US dollars per million."""

    model: str = Field(min_length=1, max_length=200, description="The model as spans name it.", examples=["acme-large"])
    provider: str | None = Field(
        default=None, min_length=1, max_length=200, description="Only from this provider; null = from any.", examples=["acme"]
    )
    input_usd: PerMillion = Field(description="A million input tokens.", examples=["2.50"])
    output_usd: PerMillion = Field(description="A million output tokens.", examples=["10.00"])
    cached_input_usd: PerMillion | None = Field(
        default=None, description="A million input tokens that were read from a cache; null = as other input.", examples=["1.25"]
    )
    cache_write_usd: PerMillion | None = Field(
        default=None, description="A million input tokens that were written to a cache; null = as other input."
    )

    def of_call(
        self, *, input_tokens: int, output_tokens: int, cached_input_tokens: int = 0, cache_write_tokens: int = 0
    ) -> Decimal:
        """The cost of a call in US dollars; ``input_tokens`` includes the cached ones and those written to a cache."""
        cached = self.input_usd if self.cached_input_usd is None else self.cached_input_usd
        written = self.input_usd if self.cache_write_usd is None else self.cache_write_usd
        plain = max(input_tokens - cached_input_tokens - cache_write_tokens, 0)
        return (
            self.input_usd * plain + cached * cached_input_tokens + written * cache_write_tokens + self.output_usd * output_tokens
        ) / MILLION


class Prices(Policy):
    """Model prices of a workspace. They hold before those of the price book, for spans that arrive from now on."""

    kind: ClassVar[PolicyKind] = PolicyKind.PRICES

    prices: tuple[ModelPrice, ...] = Field(default=(), max_length=MOST_PRICES, description="One price for each model.")

    @model_validator(mode="after")
    def refuse_two_prices_for_one_model(self) -> Self:
        """A model has one price from each provider, and one from any."""
        known: set[tuple[str, str | None]] = set()
        for price in self.prices:
            if (price.model, price.provider) in known:
                raise ValueError(f"the model {price.model!r} has two prices")
            known.add((price.model, price.provider))
        return self

    @cached_property
    def _by_model(self) -> dict[tuple[str, str | None], ModelPrice]:
        return {(price.model, price.provider): price for price in self.prices}

    def find(self, model: str, provider: str | None) -> ModelPrice | None:
        """The workspace's price of a model, the one from this provider first."""
        return self._by_model.get((model, provider)) or self._by_model.get((model, None))
