"""Differences of texts, whatever they are."""

import time
from difflib import unified_diff
from itertools import product

import pytest

from spectral_platform.agents.configuration import AgentConfig, Hyperparameters, PromptTemplate
from spectral_platform.agents.diffs import CONTEXT_LINES, diff_configs, unified_text

SHORT = ["", "a", "a\n", "b", "a\nb", "a\nb\nc\nd\ne\nf\ng\nh\ni", "x\nb\nc\nd\ne\nf\ng\nh\ny", "a\nb\nc\nd\nX\nf\ng\nh\ni\n"]


def config(prompt: str) -> AgentConfig:
    return AgentConfig(
        template=PromptTemplate(base_prompt="-", user_prompt=prompt), hyperparameters=Hyperparameters(model="sim/mini")
    )


def unified(before: str, after: str) -> str:
    return unified_text(config(before), config(after), before_name="v1", after_name="v2")


@pytest.mark.parametrize(("before", "after"), list(product(SHORT, SHORT)))
def test_a_unified_diff_is_written_as_programs_read_it(before: str, after: str) -> None:
    old, new = [text.split("\n") if text else [] for text in (before, after)]
    names = ("v1/template/user_prompt", "v2/template/user_prompt")

    lines = unified_diff(old, new, *names, n=CONTEXT_LINES, lineterm="")

    assert unified(before, after) == "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x\n" * 60_000 + "y", "z\n" + "x\n" * 60_000),
        ("".join(f"{n}\nx\n" for n in range(30_000)), "".join(f"{n}\ny\n" for n in range(30_000))),
        ("".join(f"{n % 7}\n" for n in range(60_000)), "".join(f"{n % 5}\n" for n in range(60_000))),
    ],
    ids=["all equal", "every other", "few"],
)
def test_texts_that_take_long_to_compare_are_replaced_as_a_whole(before: str, after: str) -> None:
    began = time.monotonic()

    [component] = diff_configs(config(before), config(after)).template

    kinds = [line.kind for hunk in component.hunks for line in hunk.lines if line.kind != "context"]
    assert kinds == sorted(kinds, reverse=True)
    assert unified(before, after)
    assert time.monotonic() - began < 20


def test_a_change_in_a_long_text_is_found_where_it_is() -> None:
    lines = [f"{n % 10}" for n in range(60_000)]
    changed = [*lines[:30_000], "new", *lines[30_000:]]

    [component] = diff_configs(config("\n".join(lines)), config("\n".join(changed))).template

    [hunk] = component.hunks
    assert (hunk.from_line, hunk.from_count, hunk.to_count) == (29_998, 6, 7)
