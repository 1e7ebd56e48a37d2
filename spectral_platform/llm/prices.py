"""What a call costs: the simulator's nominal price, else the offline price book's, else unknown."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from genai_prices import Usage, calc_price
from genai_prices.types import TieredPrices

from spectral_platform.llm.providers.simulator.models import MODELS

MILLION = Decimal(1_000_000)
MANY = 1_000_000


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
    rates = _book_rates(model, provider, minute)
    if rates is None:
        return _book_price(model, provider, input_tokens, output_tokens, cached_input_tokens, cache_write_tokens, minute)
    plain = input_tokens - cached_input_tokens - cache_write_tokens
    if plain < 0:
        return None
    cost = rates.call + rates.input * plain + rates.output * output_tokens
    if cached_input_tokens or cache_write_tokens:
        cost += rates.cached_input * cached_input_tokens + rates.cache_write * cache_write_tokens
    return cost


@dataclass(frozen=True, slots=True)
class Rates:
    """What a call and each token of it cost, in US dollars."""

    call: Decimal
    input: Decimal
    output: Decimal
    cached_input: Decimal
    cache_write: Decimal


@lru_cache(maxsize=4096)
def _book_rates(model: str, provider: str | None, at: datetime | None) -> Rates | None:
    """The book's rates for a model; None where there are none or where they depend on how many tokens there are.

    The book is asked once for each, because asking it for every call takes longer than storing a span.
    """

    def price(**usage: int) -> Decimal:
        return Decimal(calc_price(Usage(**usage), model, provider_id=provider, genai_request_timestamp=at).total_price)

    try:
        found = calc_price(Usage(input_tokens=0, output_tokens=0), model, provider_id=provider, genai_request_timestamp=at)
        if any(isinstance(rate, TieredPrices) for rate in vars(found.model_price).values()):
            return None
        call = Decimal(found.total_price)
        return Rates(
            call=call,
            input=(price(input_tokens=MANY, output_tokens=0) - call) / MANY,
            output=(price(input_tokens=0, output_tokens=MANY) - call) / MANY,
            cached_input=(price(input_tokens=MANY, cache_read_tokens=MANY, output_tokens=0) - call) / MANY,
            cache_write=(price(input_tokens=MANY, cache_write_tokens=MANY, output_tokens=0) - call) / MANY,
        )
    except (LookupError, ValueError):
        return None


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
