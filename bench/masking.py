"""What masking costs before anything is stored. Run it with: uv run python -m bench.masking

Spans of about 4 KB, as an agent's model calls are: messages in JSON, an answer, a dozen small attributes. Times are of the
processor, so that what else runs on the machine counts little.
"""

import os
import platform
import random
import time
from datetime import UTC, datetime
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from spectral_platform.core import clock
from spectral_platform.traces.masking import mask_spans
from spectral_platform.traces.spans import SpanDraft, SpanKind
from spectral_platform.workspaces.policies.detectors import Detector
from spectral_platform.workspaces.policies.masking import Masker, Masking, MaskingRule

SPANS, ROUNDS = 1_000, 7
MESSAGE_WORDS, ANSWER_WORDS = 150, 50
TEXT = """the order was shipped on Monday and should arrive within two days unless customs holds it; please check version 2.14.1
of the policy, section 7 (refunds), before 2026-11-22T10:00:00Z, and say what the customer of shop-eu-west may expect for 129.90
euro. Tool track_order answered: {status: in_transit, parcels: 3}. See https://docs.example.com/orders/a1b2c3?page=2 for more"""
WORDS = TEXT.split()
PLANTED = "write to ann.lee@example.org, the key is sk-proj-abcdefghijklmnop1234"
DETECTORS = tuple(Detector)
RULES = (MaskingRule(name="customer", pattern=r"\bCUST-\d{6}\b"), MaskingRule(name="ticket", pattern=r"(?i)ticket #\d+$"))
KEYS = ("*password*", "http.request.header.authorization", "*api_key*")
POLICIES = {
    "all detectors": Masking(detectors=DETECTORS),
    "all detectors, 3 keys": Masking(detectors=DETECTORS, keys=KEYS),
    "all detectors, 3 keys, 2 rules": Masking(detectors=DETECTORS, keys=KEYS, rules=RULES),
}
SHARES = (0.0, 0.01, 0.1, 1.0)


def said(drawn: random.Random, words: int) -> str:
    """So many words of ordinary text."""
    return " ".join(drawn.choices(WORDS, k=words))


def span(drawn: random.Random, resource: dict[str, Any], *, has_secret: bool) -> SpanDraft:
    """One model call, with or without something to mask."""
    asked = said(drawn, MESSAGE_WORDS) + (PLANTED if has_secret else "")
    answered = said(drawn, ANSWER_WORDS)
    messages = [{"role": "system", "content": "Be brief.\nBe kind."}, {"role": "user", "content": asked}]
    return SpanDraft(
        trace_id=f"{drawn.getrandbits(128):032x}",
        span_id=f"{drawn.getrandbits(64):016x}",
        parent_span_id=None,
        name="chat gpt-4o-mini",
        started_at=clock.now(),
        ended_at=clock.now(),
        kind=SpanKind.LLM,
        service="shop",
        agent_name="support",
        model="gpt-4o-mini-2024-07-18",
        provider="openai",
        input=asked,
        output=answered,
        attributes={
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
            "gen_ai.response.id": f"chatcmpl-{drawn.getrandbits(96):024x}",
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.request.temperature": 0.2,
            "gen_ai.request.max_tokens": 1024,
            "gen_ai.usage.input_tokens": 812,
            "gen_ai.usage.output_tokens": 143,
            "gen_ai.conversation.id": f"{drawn.getrandbits(64):016x}",
            "server.address": "api.openai.com",
            "gen_ai.input.messages": orjson.dumps(messages).decode(),
            "gen_ai.output.messages": orjson.dumps([{"role": "assistant", "content": answered}]).decode(),
        },
        events=[{"name": "gen_ai.choice", "at": "2026-11-22T10:00:00Z", "attributes": {"finish_reason": "stop", "index": 0}}],
        resource=resource,
    )


def milliseconds(policy: Masking, share: float) -> float:
    """The best of some rounds over the same spans, new in each."""
    masker = Masker(policy)
    best = float("inf")
    for _ in range(ROUNDS):
        drawn = random.Random(7)
        resource = {"service.name": "shop", "telemetry.sdk.name": "opentelemetry", "telemetry.sdk.version": "1.45.0"}
        spans = [span(drawn, resource, has_secret=number < share * SPANS) for number in range(SPANS)]
        started = time.process_time()
        mask_spans(masker, spans)
        best = min(best, time.process_time() - started)
    return best * 1000


def main() -> None:
    """Measure and print."""
    load = os.getloadavg()[0]
    table = Table(f"ms of processor per {SPANS} spans", *(f"{share:.0%} hold something" for share in SHARES))
    for name, policy in POLICIES.items():
        table.add_row(name, *(f"{milliseconds(policy, share):.0f}" for share in SHARES))
    drawn = random.Random(7)
    size = sum(len(orjson.dumps(span(drawn, {}, has_secret=False))) for _ in range(20)) / 20
    machine = f"{os.cpu_count()} CPUs, {platform.system()} {platform.release()}, Python {platform.python_version()}"
    title = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine}, load {load:.2f} before, {os.getloadavg()[0]:.2f} after"
    Console(width=140).print(f"{title}; {size:.0f} bytes a span", table)


if __name__ == "__main__":
    main()
