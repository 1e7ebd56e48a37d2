"""What a call costs: the simulator's nominal price, else the offline price book's, else unknown."""

from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from genai_prices import Usage, calc_price

from spectral_platform.llm.providers.simulator.models import MODELS

MILLION = Decimal(1_000_000)


def price_call(
    model: str,
    *,
    provider: str | None = None,
    input_tokens: int,
    output_tokens: int,
    cached_input_tokens: int = 0,
    cache_write_tokens: int = 0,
    at: datetime | None = None,
) -> Decimal | None:
    """The cost of a call in US dollars; None when nobody knows the model's price, which is not the same as nothing.

    ``input_tokens`` includes the cached ones and those written to the cache. Without a provider the model's name decides; a call
    in the past has the price of its day.
    """
    simulated = MODELS.get(model)
    if simulated is not None:
        return (simulated.input_usd * input_tokens + simulated.output_usd * output_tokens) / MILLION
    minute = at.replace(second=0, microsecond=0) if at else None
    return _book_price(model, provider, input_tokens, output_tokens, cached_input_tokens, cache_write_tokens, minute)


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
