from spectral_platform.agents.configuration import (
    AgentConfig,
    ChainOfThought,
    Example,
    Hyperparameters,
    OutputFormat,
    PromptTemplate,
)
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


def test_a_cap_on_the_answer_is_always_sent() -> None:
    assert render_request(config(), input="c").max_output_tokens == DEFAULT_MAX_OUTPUT_TOKENS
