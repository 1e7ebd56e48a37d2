"""What a call costs: the workspace's own price, else the simulator's nominal one, else the offline price book's, else unknown."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from genai_prices import Usage, calc_price

from spectral_platform.core.values import Value
from spectral_platform.llm.providers.simulator.models import MODELS

MILLION = Decimal(1_000_000)


class Price(Value):
    """US dollars per million tokens. Cached input has a price of its own where the provider gives one."""

    input: Decimal
    output: Decimal
    cached_input: Decimal | None = None

    def cost(self, *, input_tokens: int, output_tokens: int, cached_input_tokens: int = 0) -> Decimal:
        """The cost of a call in US dollars; ``input_tokens`` includes the cached ones."""
        cached = self.input if self.cached_input is None else self.cached_input
        fresh = input_tokens - cached_input_tokens
        return (self.input * fresh + cached * cached_input_tokens + self.output * output_tokens) / MILLION


def price_call(
    model: str,
    *,
    provider: str | None = None,
    input_tokens: int,
    output_tokens: int,
    cached_input_tokens: int = 0,
    cache_write_tokens: int = 0,
    at: datetime | None = None,
    overrides: Mapping[str, Price] | None = None,
) -> Decimal | None:
    """The cost of a call in US dollars; None when nobody knows the model's price, which is not the same as nothing.

    ``input_tokens`` includes the cached ones and those written to the cache. Without a provider the model's name decides; a call
    in the past has the price of its day.
    """
    own = (overrides or {}).get(model) or _nominal(model)
    if own is not None:
        return own.cost(input_tokens=input_tokens, output_tokens=output_tokens, cached_input_tokens=cached_input_tokens)
    minute = at.replace(second=0, microsecond=0) if at else None
    return _book_price(model, provider, input_tokens, output_tokens, cached_input_tokens, cache_write_tokens, minute)


def _nominal(model: str) -> Price | None:
    simulated = MODELS.get(model)
    return Price(input=simulated.input_usd, output=simulated.output_usd) if simulated else None


@lru_cache(maxsize=4096)
def _book_price(
    model: str,
    provider: str | None,
    input_tokens: int,
    output_tokens: int,
    cached_input_tokens: int,
    cache_write_tokens: int,
    at: datetime | None,
) -> Decimal | None:
    usage = Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cache_read_tokens=cached_input_tokens or None,
        cache_write_tokens=cache_write_tokens or None,
    )
    try:
        return Decimal(calc_price(usage, model, provider_id=provider, genai_request_timestamp=at).total_price)
    except (LookupError, ValueError):
        # ValueError: parts that add up to more than their whole; such usage is as unknown as a missing price.
        return None
