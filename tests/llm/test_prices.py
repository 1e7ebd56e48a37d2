"""What calls cost: our reckoning with rates is the book's own."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from genai_prices import Usage, calc_price
from hypothesis import given, settings
from hypothesis import strategies as st

from spectral_platform.llm.prices import price_call

WHEN = datetime(2026, 11, 1, 12, tzinfo=UTC)
MODELS = [
    ("gpt-4o-mini", "openai"),
    ("gpt-4o-mini", None),
    ("gpt-5", "openai"),
    ("claude-sonnet-4-5", "anthropic"),
    ("gemini-2.5-pro", "google"),
    ("deepseek-chat", "deepseek"),
    ("text-embedding-3-small", "openai"),
]


@pytest.mark.parametrize(("model", "provider"), MODELS)
@settings(max_examples=25)
@given(st.integers(0, 400_000), st.integers(0, 400_000), st.integers(0, 400_000), st.integers(0, 100_000))
def test_a_call_costs_what_the_book_says(
    model: str, provider: str | None, plain: int, cached: int, written: int, output: int
) -> None:
    usage = Usage(
        input_tokens=plain + cached + written,
        output_tokens=output,
        cache_read_tokens=cached or None,
        cache_write_tokens=written or None,
    )
    expected = Decimal(calc_price(usage, model, provider_id=provider, genai_request_timestamp=WHEN).total_price)

    cost = price_call(
        model,
        provider=provider,
        input_tokens=plain + cached + written,
        output_tokens=output,
        cached_input_tokens=cached,
        cache_write_tokens=written,
        at=WHEN,
    )

    assert cost is not None
    assert cost == pytest.approx(expected, abs=Decimal("1e-18"))


def test_parts_that_are_more_than_the_whole_and_models_that_nobody_knows_have_no_price() -> None:
    assert price_call("gpt-4o-mini", input_tokens=10, output_tokens=1, cached_input_tokens=11, at=WHEN) is None
    assert price_call("unheard-of", input_tokens=10, output_tokens=1, at=WHEN) is None
    assert price_call("gpt-4o-mini", input_tokens=10, output_tokens=1, at=WHEN) is not None
