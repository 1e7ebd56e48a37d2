"""What a call costs: the simulator's nominal price, else the offline price book's, else unknown."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Protocol

from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import TieredPrices

from spectral_platform.llm.providers.simulator.models import MODELS

MILLION = Decimal(1_000_000)
BASE = -1
"""Any number of input tokens is above this."""


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
    minute = int(at.timestamp()) // 60 if at else None
    plain = input_tokens - cached_input_tokens - cache_write_tokens
    if plain < 0:
        return None
    for above, rates in _book_rates(model, provider, minute):
        if input_tokens > above:
            cost = rates.call + rates.input * plain + rates.output * output_tokens
            if cached_input_tokens or cache_write_tokens:
                cost += rates.cached_input * cached_input_tokens + rates.cache_write * cache_write_tokens
            return cost
    return None


class TokenPrice(Protocol):
    """What tokens of a model cost by somebody's own reckoning."""

    def of_call(
        self, *, input_tokens: int, output_tokens: int, cached_input_tokens: int = 0, cache_write_tokens: int = 0
    ) -> Decimal:
        """The cost of a call in US dollars."""


class PriceList(Protocol):
    """Prices that hold before the price book's, such as a workspace's own."""

    def find(self, model: str, provider: str | None) -> TokenPrice | None:
        """The price of a model from a provider."""


def price_asked(
    model: str,
    *,
    provider: str,
    own: PriceList | None,
    input_tokens: int,
    output_tokens: int,
    cached_input_tokens: int = 0,
    cache_write_tokens: int = 0,
) -> Decimal | None:
    """The cost of a call of ours by the own prices, else as ``price_call`` says.

    Where the model's name begins with its provider, the own price may go by either name, and the book has the provider's price.
    """
    bare = model.removeprefix(f"{provider}/")
    if own is not None and model not in MODELS:
        found = own.find(model, provider) or own.find(bare, provider)
        if found is not None:
            return found.of_call(
                input_tokens=input_tokens,
                output_tokens=output_tokens,
                cached_input_tokens=cached_input_tokens,
                cache_write_tokens=cache_write_tokens,
            )
    return price_call(
        bare,
        provider=provider if bare != model else None,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_input_tokens=cached_input_tokens,
        cache_write_tokens=cache_write_tokens,
    )


def load_price_book() -> None:
    """Read the price book, as the first price would otherwise: for a fifth of a second, in which nothing else happens."""
    get_snapshot()


@dataclass(frozen=True, slots=True)
class Rates:
    """What a call and each token of it cost, in US dollars."""

    call: Decimal
    input: Decimal
    output: Decimal
    cached_input: Decimal
    cache_write: Decimal


@lru_cache(maxsize=4096)
def _book_rates(model: str, provider: str | None, minute: int | None) -> tuple[tuple[int, Rates], ...]:
    """The book's rates for a model, each with the number of input tokens above which they hold, the largest first.

    A minute is counted from 1970. There are none where the book has no price. It is asked once for each, because asking it for
    every call takes longer than storing a span, and longest for models that it does not know.
    """

    at = None if minute is None else datetime.fromtimestamp(60 * minute, UTC)

    def price(input_tokens: int, **usage: int) -> Decimal:
        asked = Usage(input_tokens=input_tokens, **{"output_tokens": 0} | usage)
        return Decimal(calc_price(asked, model, provider_id=provider, genai_request_timestamp=at).total_price)

    def rates(above: int) -> Rates:
        least = above + 1
        first = price(least)
        own = price(least + 1) - first
        return Rates(
            call=first - own * least,
            input=own,
            output=price(least, output_tokens=1) - first,
            cached_input=price(least + 1, cache_read_tokens=1) - first,
            cache_write=price(least + 1, cache_write_tokens=1) - first,
        )

    try:
        known = calc_price(Usage(input_tokens=0, output_tokens=0), model, provider_id=provider, genai_request_timestamp=at)
        tiered = [rate for rate in vars(known.model_price).values() if isinstance(rate, TieredPrices)]
        starts = {tier.start for rate in tiered for tier in rate.tiers}
        return tuple((above, rates(above)) for above in sorted({BASE, *starts}, reverse=True))
    except (LookupError, ValueError):
        return ()
