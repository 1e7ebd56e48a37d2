"""Asking a model on behalf of a scan: cache, then reservation, then the call with its retries, then the ledger, then the answer.

An answer is stored under the hash of everything that could change it before anything rests on it that costs or can be seen. A
scan that is resumed therefore repeats no call whose answer was stored, and only calls in flight at a crash can be paid twice.
"""

import asyncio
import math
import random
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

import orjson

from spectral_platform.core import clock
from spectral_platform.core.crypto import content_digest
from spectral_platform.core.errors import SpectralError
from spectral_platform.llm.errors import CassetteMiss, ProviderDenied, ProviderGivenUp, ProviderUnavailable
from spectral_platform.llm.ledger import Entry, Ledger
from spectral_platform.llm.messages import ModelAnswer, ModelRequest
from spectral_platform.llm.pacing import Line, Outage
from spectral_platform.llm.prices import PriceList, price_asked
from spectral_platform.llm.providers import Provider
from spectral_platform.llm.providers.availability import is_simulated
from spectral_platform.llm.providers.catalogue import Providers
from spectral_platform.llm.purposes import Purpose
from spectral_platform.llm.purse import Purse

ATTEMPTS = 4
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 20.0
MESSAGE_OVERHEAD_TOKENS = 16
FORM_OVERHEAD_TOKENS = 1000
"""What a provider says to its model about tools and forms of answers; Anthropic documents up to 530 tokens."""
T = TypeVar("T")
OnOutage = Callable[[Outage, bool], None]
"""Hears of an outage when a call meets it, and again, with true, when it is over."""


@dataclass(frozen=True, slots=True)
class CallLabel:
    """What a call is for, as the ledger groups it.

    ``may_use_held`` opens the share of the budget kept back for the holdout, ``is_sealed`` says that it is about a case of it.
    """

    phase: str
    purpose: Purpose
    candidate: str = ""
    case_key: str = ""
    repeat: int = 0
    may_use_held: bool = False
    is_sealed: bool = False


@dataclass(frozen=True, slots=True)
class PaidAnswer:
    """An answer that is in the ledger or about to be, with its cost in US dollars; None when the price is unknown."""

    answer: ModelAnswer
    cost_usd: Decimal | None


@dataclass(slots=True)
class Tries:
    """What one call has been through, which says whether it is worth another attempt."""

    patience_s: float
    failed: int = 0
    throttled: int = 0
    since: float = math.inf

    def pause_s(self, error: ProviderUnavailable, *, is_paced: bool, is_out: bool, now: float) -> float:
        """Seconds before the next attempt. Raises the error when there is to be none.

        While the provider is out the line holds everybody, and no attempt is counted. Being throttled is no failure; it is borne
        for as long as anybody waits.
        """
        if is_out:
            return 0.0
        self.since = min(self.since, now)
        if is_paced and error.is_throttled:
            self.throttled += 1
            if now - self.since > self.patience_s:
                raise error
        else:
            self.failed += 1
            if self.failed == ATTEMPTS:
                raise error
        pause: float = FIRST_PAUSE_S * 2 ** (self.failed + self.throttled - 1) * random.uniform(0.5, 1.5)
        return min(LONGEST_PAUSE_S, max(pause, error.retry_after_s or 0.0))


class ModelCaller:
    """Asks models for one scan attempt, or for one request, at most ``concurrency`` at a time.

    After ``deadline``, in seconds of the monotonic clock, no call waits for its turn. ``prices`` are the workspace's own.
    """

    def __init__(
        self,
        providers: Providers,
        ledger: Ledger | Purse,
        *,
        known: dict[str, PaidAnswer],
        concurrency: int,
        deadline: float = math.inf,
        prices: PriceList | None = None,
    ) -> None:
        self._providers = providers
        self._ledger = ledger
        self._known = known
        self._slots = asyncio.Semaphore(concurrency)
        self._asking: dict[str, asyncio.Future[None]] = {}
        self._deadline = deadline
        self._prices = prices
        self._outages: dict[str, Outage] = {}
        self._denied: dict[str, str] = {}
        self.on_outage: OnOutage | None = None

    @property
    def outages(self) -> tuple[Outage, ...]:
        """Providers that calls are waiting for."""
        return tuple(self._outages.values())

    def recall(self, known: Mapping[str, PaidAnswer]) -> None:
        """Serve these stored answers as well."""
        self._known.update(known)

    async def ask(self, request: ModelRequest, label: CallLabel) -> PaidAnswer:
        """The model's answer; from the cache if this scan has asked before.

        It is about to be stored: whoever shows anything of it awaits ``stored`` before. What is asked next because of it is
        reserved in the same group or a later one, so that the group between the two need not be waited for, and no call is made
        because of an answer that was lost.

        Raises ``BudgetExhausted``, ``AttemptSuperseded``, ``ProviderRejected``, or ``ProviderUnavailable`` after the last retry.
        """
        provider = self._providers.serving(request)
        key = call_key(request, label, provider=provider.name)
        while (asked := self._asking.get(key)) is not None:  # the same question at the same time is asked once
            await asyncio.wait((asked,))
        known = self._known.get(key)
        if known is not None:
            self._ledger.post(Entry(hit=key))
            return known
        self._asking[key] = asked = asyncio.get_running_loop().create_future()
        try:
            bound = self._upper_bound(provider, request)
            async with self._slots:
                answer = await self._answer(provider, request, label, bound)
            # Whoever has waited for the slot reserves in the same group in which this settles.
            paid = PaidAnswer(answer, self._cost(provider, request, answer))
            self._providers.record(provider, request, answer, paid.cost_usd)
            self._ledger.post(
                Entry(
                    reserve_usd=-bound,
                    reserve_calls=-1,
                    spend_usd=paid.cost_usd or Decimal(0),
                    spend_calls=1,
                    answer=_row(provider, request, label, key, paid),
                )
            )
            self._known[key] = paid
            return paid
        finally:
            del self._asking[key]
            asked.set_result(None)

    async def stored(self) -> None:
        """Wait until every answer that was given so far is stored. Raises what kept one from it."""
        await self._ledger.stored()

    async def _answer(self, provider: Provider, request: ModelRequest, label: CallLabel, bound: Decimal) -> ModelAnswer:
        """Reserve and ask, until there is an answer; what is reserved then is to be settled."""
        line = self._providers.line(provider, request)
        tries = Tries(patience_s=line.patience_s if line is not None else 0.0)
        while True:
            if line is not None and line.pace.outage is not None:
                self._tell(line.name, line.pace.outage)
            await self._ledger.write(Entry(reserve_usd=bound, reserve_calls=1, may_use_held=label.may_use_held))
            try:
                answer = await self._attempt(provider, request, line)
            except (
                SpectralError
            ) as error:  # a cancelled call may still be answered and billed: its reservation stays and is charged
                is_charged = isinstance(error, ProviderUnavailable) and error.is_charged
                charge = Entry(spend_usd=bound, spend_calls=1) if is_charged else Entry()
                charge.reserve_usd, charge.reserve_calls = -bound, -1
                if isinstance(error, ProviderDenied) and error.is_of_key:
                    self._denied[provider.name] = error.detail
                await self._ledger.write(charge)
                if isinstance(error, CassetteMiss) and label.is_sealed:
                    raise error.about_sealed_case() from None
                if not isinstance(error, ProviderUnavailable) or isinstance(error, ProviderGivenUp):
                    raise
                is_out = line is not None and line.pace.is_out
                pause_s = tries.pause_s(error, is_paced=line is not None, is_out=is_out, now=time.monotonic())
                if time.monotonic() + pause_s > self._deadline:
                    raise ProviderGivenUp(error.detail) from error
            else:
                return answer
            await asyncio.sleep(pause_s)

    async def _attempt(self, provider: Provider, request: ModelRequest, line: Line | None) -> ModelAnswer:
        """Ask once, when it is this call's turn, unless the provider has refused its key meanwhile: then it is asked no more."""
        if line is None:
            return await provider.complete(request)
        async with line.turn(until=self._deadline):
            if (denied := self._denied.get(provider.name)) is not None:
                raise ProviderDenied(denied, is_of_key=True)
            answer = await provider.complete(request)
        self._tell(line.name, None)
        return answer

    def _tell(self, provider: str, outage: Outage | None) -> None:
        """Say once that a provider is out, and once that it is back."""
        told = self._outages.get(provider)
        if outage is not None and (told is None or told.since != outage.since):
            self._outages[provider] = outage
            if self.on_outage is not None:
                self.on_outage(outage, False)
        elif outage is None and told is not None:
            del self._outages[provider]
            if self.on_outage is not None:
                self.on_outage(told, True)

    def ceiling(self, request: ModelRequest) -> tuple[Decimal | None, int | None]:
        """The US dollars and the tokens that one answer can take at most, as far as anything bounds them.

        Nothing bounds what a customer's endpoint takes, nor what a provider adds that runs tools of its own, such as a search,
        and nothing the money where a price is unknown.
        """
        if request.endpoint is not None or _names_own_tools(request):
            return None, None
        provider = self._providers.serving(request)
        return self._upper_bound(provider, request) or None, _most_input(provider, request) + request.max_output_tokens

    def _upper_bound(self, provider: Provider, request: ModelRequest) -> Decimal:
        """The most that the call can cost. Without a price only calls are counted.

        What a customer's endpoint spends is its own affair: one call of its model is reserved, and what it reports is booked.
        """
        size = _most_input(provider, request)
        kinds: list[dict[str, int]] = [{}]
        if self._prices is not None:  # by which reading from a cache may cost more
            kinds.append({"cached_input_tokens": size})
        if self._prices is not None or request.extra or _names_own_tools(request):  # which may ask for writing to one
            kinds.append({"cache_write_tokens": size})
        bounds = [
            price_asked(
                request.model,
                provider=provider.name,
                own=self._prices,
                input_tokens=size,
                output_tokens=request.max_output_tokens,
                **kind,
            )
            for kind in kinds
        ]
        return max((bound for bound in bounds if bound is not None), default=Decimal(0))

    def _cost(self, provider: Provider, request: ModelRequest, answer: ModelAnswer) -> Decimal | None:
        """What the answer cost: what the endpoint said, else by its tokens; None when nobody can tell."""
        if answer.cost_usd is not None or answer.total_tokens is None:
            return answer.cost_usd
        return price_asked(
            request.model,
            provider=provider.name,
            own=self._prices,
            input_tokens=answer.input_tokens,
            output_tokens=answer.output_tokens,
            cached_input_tokens=answer.cached_input_tokens,
            cache_write_tokens=answer.cache_write_tokens,
        )


def _most_input(provider: Provider, request: ModelRequest) -> int:
    """The most tokens that the request can be: a token is never less than a byte."""
    size = sum(message.size + MESSAGE_OVERHEAD_TOKENS * (1 + len(message.tool_calls)) for message in request.messages)
    size += len(orjson.dumps(request.tools))
    if not provider.is_simulated and (request.tools or request.json_schema or request.extra):
        size += len(orjson.dumps((request.json_schema, request.extra))) + FORM_OVERHEAD_TOKENS
    return size


def _names_own_tools(request: ModelRequest) -> bool:
    """Whether tools are described in the provider's own terms, which may be ones that it runs itself."""
    return any(tool.get("type") != "function" for tool in request.tools)


def call_key(request: ModelRequest, label: CallLabel, *, provider: str) -> str:
    """The identity of a question within its scan: provider, everything in the request, and which repeat it is."""
    return content_digest(provider, request.model_dump_json(), label.purpose, str(label.repeat))


async def settle(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run all side by side and wait for every one; then raise the first error, if there was one.

    Nothing is abandoned half-way when one fails, because what is in flight is paid for.
    """
    several = list(work)
    if len(several) == 1:  # beside nobody: a task of its own costs as much as a call
        return [await several[0]]
    results = await asyncio.gather(*several, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


def _row(provider: Provider, request: ModelRequest, label: CallLabel, key: str, paid: PaidAnswer) -> dict[str, object]:
    answer = paid.answer
    return {
        "id": clock.new_id(),
        "created_at": clock.now(),
        "key": key,
        "phase": label.phase,
        "purpose": label.purpose,
        "candidate": label.candidate,
        "case_key": label.case_key,
        "repeat": label.repeat,
        "provider": provider.name,
        "model": request.model,
        "is_simulated": is_simulated(request.model),
        "is_sealed": label.is_sealed,
        "answer": answer.text,
        "tool_calls": answer.tool_calls,
        "finish_reason": answer.finish_reason,
        "input_tokens": answer.input_tokens,
        "output_tokens": answer.output_tokens,
        "cached_input_tokens": answer.cached_input_tokens,
        "reasoning_tokens": answer.reasoning_tokens,
        "latency_ms": answer.latency_ms,
        "cost_usd": paid.cost_usd,
        "hits": 0,
    }
