import time

import pytest

from spectral_platform.agents.configuration import (
    AgentConfig,
    ChainOfThought,
    ContextSelection,
    ContextStrategy,
    Example,
    Hyperparameters,
    OutputFormat,
    PromptTemplate,
    Truncation,
)
from spectral_platform.agents.context import select_context
from spectral_platform.agents.rendering import DEFAULT_MAX_OUTPUT_TOKENS, render_request
from spectral_platform.llm.messages import Role


def config(**template: object) -> AgentConfig:
    fields: dict[str, object] = {"base_prompt": "You help {{name}}.", **template}
    return AgentConfig(template=PromptTemplate.model_validate(fields), hyperparameters=Hyperparameters(model="sim/mini"))


def test_placeholders_are_filled_in_both_prompts() -> None:
    prompts = config(user_prompt="Articles:\n{{ context }}\nCustomer: {{input}}")
    request = render_request(prompts, input={"name": "Ada", "input": "Where is it?"}, context="[KB-1] Here.")
    assert [message.content for message in request.messages] == [
        "You help Ada.",
        "Articles:\n[KB-1] Here.\nCustomer: Where is it?",
    ]


def test_context_without_a_place_goes_before_the_input() -> None:
    request = render_request(config(), input="Where is it?", context="[KB-1] Here.")
    assert request.messages[-1].content == "Context:\n[KB-1] Here.\n\nQuestion: Where is it?"


def test_a_placeholder_in_a_value_is_not_filled_again() -> None:
    prompts = config(base_prompt="{{context}}", user_prompt="{{input}}")
    request = render_request(prompts, input="{{context}}", context="secret")
    assert request.messages[-1].content == "{{context}}"


def test_examples_are_earlier_turns() -> None:
    request = render_request(config(examples=(Example(input="a", output="b"),)), input="c")
    assert [(message.role, message.content) for message in request.messages[1:]] == [
        (Role.USER, "a"),
        (Role.ASSISTANT, "b"),
        (Role.USER, "c"),
    ]


def test_form_and_reasoning_are_asked_for() -> None:
    schema = {"type": "object", "properties": {"answer": {"type": "string"}}}
    form = OutputFormat(kind="json", json_schema=schema)
    request = render_request(config(output_format=form, chain_of_thought=ChainOfThought.BRIEF), input="c")
    assert request.json_schema == schema
    assert '"answer"' in request.messages[0].content
    assert "briefly" in request.messages[0].content


def test_a_long_question_about_a_long_context_takes_no_longer_than_reading_both() -> None:
    selection = ContextSelection(strategy=ContextStrategy.SIMILAR, max_items=2, max_tokens=100, truncation=Truncation.ITEMS)
    items = [f"word{number} other{number}" for number in range(8_000)]
    question = " ".join([*(f"word{number}" for number in range(8_000)), "other7"])
    began = time.monotonic()

    selected = select_context(items, selection, question=question)

    assert selected == f"{items[0]}\n\n{items[7]}"
    assert time.monotonic() - began < 10


def test_a_cap_on_the_answer_is_always_sent() -> None:
    assert render_request(config(), input="c").max_output_tokens == DEFAULT_MAX_OUTPUT_TOKENS


ARTICLES = (
    "[KB-1] Refunds: money is returned in ten days.",
    "[KB-2] Delivery: an order arrives in three days.",
    "[KB-3] Accounts: passwords are changed in the settings.",
)


def selecting(context: str | tuple[str, ...] = ARTICLES, **selection: object) -> str:
    """The context of a prompt that has nothing else."""
    chosen = {"strategy": "first", "max_items": 10, "max_tokens": 1_000, "truncation": "tail", **selection}
    prompts = config(user_prompt="{{context}}", context_selection=chosen)
    return render_request(prompts, input="When does my order arrive?", context=context).messages[-1].content


@pytest.mark.parametrize(
    ("strategy", "most", "expected"),
    [
        ("first", 2, ARTICLES[:2]),
        ("recent", 2, ARTICLES[1:]),
        ("similar", 1, ARTICLES[1:2]),
        ("similar", 9, ARTICLES),
    ],
)
@pytest.mark.parametrize("given", ["items", "paragraphs", "lines"])
def test_the_wanted_items_of_a_context_stay_in_their_order(
    strategy: str, most: int, expected: tuple[str, ...], given: str
) -> None:
    between = "\n" if given == "lines" else "\n\n"
    context = ARTICLES if given == "items" else between.join(ARTICLES)

    assert selecting(context, strategy=strategy, max_items=most) == between.join(expected)


@pytest.mark.parametrize(
    ("truncation", "context", "expected"),
    [
        ("tail", "a" * 30 + "b" * 30, "a" * 30 + "b" * 7 + "…"),
        ("head", "a" * 30 + "b" * 30, "…" + "a" * 7 + "b" * 30),
        ("middle", "a" * 30 + "b" * 30, "a" * 19 + "…" + "b" * 18),
        ("tail", "é" * 40, "é" * 18 + "…"),
        ("head", "🙂" * 20, "…" + "🙂" * 9),
        ("items", ("x" * 18, "y" * 30, "z" * 16), "x" * 18 + "\n\n" + "z" * 16),
        ("items", ("x" * 90, "y"), "x" * 37 + "…"),
        ("tail", "", ""),
        ("middle", " \n\n \n", ""),
    ],
)
def test_what_is_too_much_of_a_context_is_cut(truncation: str, context: str | tuple[str, ...], expected: str) -> None:
    selected = selecting(context, truncation=truncation, max_tokens=10)

    assert selected == expected
    assert len(selected.encode()) <= 40


def test_a_huge_context_is_selected_from_quickly() -> None:
    words = [f"word{number % 997} order" for number in range(20_000)]

    assert len(selecting("\n".join(words), strategy="similar", max_items=5, max_tokens=20).encode()) <= 80


def test_everything_that_a_template_has_is_in_the_request() -> None:
    tool = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
    schema = {"type": "object", "required": ["answer"]}
    whole = config(
        base_prompt="You work for {{company}}.",
        user_prompt="{{context}}\n\n{{input}}",
        chain_of_thought="full",
        examples=({"input": "Hi", "output": "Hello."},),
        output_format={"kind": "json", "json_schema": schema},
        context_selection={"strategy": "similar", "max_items": 1, "max_tokens": 100, "truncation": "items"},
        tools=(tool,),
    )

    request = render_request(whole, input={"company": "Acme", "input": "When does my order arrive?"}, context=ARTICLES)

    system, question, answer, last = (message.content for message in request.messages)
    assert system.startswith("You work for Acme.\n\nThink it through step by step")
    assert system.endswith('{"type":"object","required":["answer"]}')
    assert (question, answer) == ("Hi", "Hello.")
    assert last == f"{ARTICLES[1]}\n\nWhen does my order arrive?"
    assert (request.tools, request.json_schema) == ((tool,), schema)
