"""Attributes that mean something to a dialect may hold anything: no value costs more than what it should have said."""

from typing import Any

import pytest

from spectral_platform.otel.dialects import DIALECTS
from spectral_platform.otel.encoding import Encoding
from tests.otel.conformance.bodies import decoded, request, span

NAMES = sorted({name for dialect in DIALECTS for name in (*dict(dialect.fields), *dialect.vocabulary)} | {"input", "output"})
DEEP_JSON = '[{"role": "user", "content": ' + "[" * 500 + "]" * 500 + "}]"
ODD_VALUES: list[Any] = [
    None,
    "",
    "\x00",
    "x" * 10_000,
    DEEP_JSON,
    "[" * 2_000,
    '[{"role": ["user"], "content": [{"type": {}, "text": 1}]}]',
    '[{"role": "user", "parts": {"a": 1}, "content": 2}]',
    '{"content": 1e999, "role": null}',
    '{"messages": [1], "prompt": {"a": []}}',
    '"text"',
    True,
    -1,
    2**63 - 1,
    0.1,
    float("nan"),
    float("inf"),
    "1e-20000",
    "1e999999",
    b"\x00",
    [],
    [None, 1, "", {}],
    [{"role": [1], "content": {"k": [None]}}],
    {},
    {"role": {}, "content": [[]]},
]


@pytest.mark.parametrize("value", ODD_VALUES, ids=lambda value: repr(value)[:30])
def test_no_value_of_a_known_attribute_costs_its_span(value: Any) -> None:
    alone = [span({name: value}, name=name) for name in NAMES]
    together = span(dict.fromkeys(NAMES, value), name="all")

    result = decoded(request(*alone, together), Encoding.PROTOBUF)

    assert [draft.name for draft in result.drafts] == [*NAMES, "all"]
    for draft in result.drafts:
        assert draft.cost_usd is None or draft.cost_usd.as_tuple().exponent >= -18  # type: ignore[operator]  # finite
