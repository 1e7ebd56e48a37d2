from decimal import Decimal
from typing import Any

import pytest

from tests.otel.payloads import draft_of


@pytest.mark.parametrize("impossible", [-1, 10**15, True, "12", [1], 1.0e300])
def test_an_impossible_count_is_as_good_as_absent(impossible: Any) -> None:
    assert draft_of({"gen_ai.usage.input_tokens": impossible}).input_tokens is None


@pytest.mark.parametrize(
    ("reported", "cost"),
    [
        (0.1, Decimal("0.1")),
        ("0.25", Decimal("0.25")),
        (0, Decimal(0)),
        (-1, None),
        ("much", None),
        ("Infinity", None),
        (True, None),
        (1e300, None),
        ("2.50" + "0" * 20_000, Decimal("2.5")),
        ("0E-20000", Decimal(0)),
    ],
)
def test_a_reported_cost_is_exact_and_never_absurd_nor_too_long_to_be_stored(reported: Any, cost: Decimal | None) -> None:
    read = draft_of({"llm.cost.total": reported}).cost_usd
    assert read == cost
    assert len(str(read)) < 30


def test_cached_tokens_reported_beside_the_input_are_counted_into_it() -> None:
    attributes = {
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.cache_read.input_tokens": 500,
        "gen_ai.usage.cache_creation.input_tokens": 40,
    }
    assert draft_of(attributes).input_tokens == 550
    assert draft_of(attributes | {"gen_ai.usage.input_tokens": 550}).input_tokens == 550


def test_a_usage_of_nothing_at_all_was_not_counted() -> None:
    zeros = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 0}
    draft = draft_of(zeros | {"gen_ai.usage.cache_read.input_tokens": 0})
    assert (draft.input_tokens, draft.output_tokens, draft.cached_input_tokens) == (None, None, None)
    assert draft_of(zeros | {"gen_ai.usage.output_tokens": 3}).input_tokens == 0


def test_a_usage_printed_as_python_does_is_read() -> None:
    draft = draft_of(
        {
            "langsmith.span.kind": "llm",
            "gen_ai.usage.input_tokens": 1200,
            "gen_ai.usage.input_token_details": "{'cache_read': 1024, 'cache_creation': None}",
            "gen_ai.usage.output_token_details": "{'reasoning': 64}",
        }
    )
    assert (draft.cached_input_tokens, draft.cache_write_tokens, draft.reasoning_tokens) == (1024, None, 64)
