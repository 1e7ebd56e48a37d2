"""Candidates and the edits that make them: applying one to a config, and why one is refused before it costs a call."""

import hashlib
import re
from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Any

import orjson
from pydantic import Field

from spectral_platform.agents.configuration import AgentConfig, ContextSelection, Example, Hyperparameters
from spectral_platform.core.remembering import remembered
from spectral_platform.core.values import Value

MAX_PROMPT_CHARACTERS = 8_000
MEMORISED_WORDS = 8
"""A run of so many words from a training answer is an answer learnt by heart, not an instruction (engine 1.4)."""
SPOKEN_WORDS = 12
"""A user prompt with fewer words beside its placeholders only carries values; there is nothing to reflect on."""

_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_WORD = re.compile(r"\w+")
_SECRETS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\b(?:sk|pk|rk)[-_](?:live|test|proj|ant)?[-_]?[A-Za-z0-9_-]{16,}"
    r"|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}|\bxox[abprs]-[A-Za-z0-9-]{10,}|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"
)


class Strategy(StrEnum):
    """Where a candidate came from."""

    REFLECTIVE = "reflective"
    ARMS = "arms"
    RULES = "rules"
    FEW_SHOT = "few_shot"
    GEPA = "gepa"
    MERGE = "merge"
    """Of two candidates that help on different cases, whichever strategies those came from."""


class Component(StrEnum):
    """The part of a config that an edit changes; one edit changes one part."""

    BASE_PROMPT = "base_prompt"
    USER_PROMPT = "user_prompt"
    TOOL_DESCRIPTIONS = "tool_descriptions"
    """The descriptions of the tools by name, as one JSON object."""
    EXAMPLES = "examples"
    HYPERPARAMETERS = "hyperparameters"
    CONTEXT_SELECTION = "context_selection"


TEXTS = (Component.BASE_PROMPT, Component.USER_PROMPT, Component.TOOL_DESCRIPTIONS)
"""What a proposer may write anew."""


class Edit(Value):
    """One change to one component: the whole new text, the new examples or the new parameters."""

    component: Component
    text: str | None = None
    examples: tuple[Example, ...] | None = None
    hyperparameters: Hyperparameters | None = None
    context_selection: ContextSelection | None = None
    rationale: str = Field(min_length=1, description="Why the change should help, in a sentence or two.")


class Candidate(Value):
    """A config that may replace its parent, with its lineage; ``key`` is the hash of the config's content."""

    key: str
    parent_key: str
    strategy: Strategy
    component: Component
    config: AgentConfig
    rationale: str
    cluster_signature: str | None = Field(default=None, description="The failure cluster that it answers to.")


def config_key(config: AgentConfig) -> str:
    """SHA-256 of the config's canonical JSON: equal configs have equal keys, whoever proposed them."""
    return hashlib.sha256(orjson.dumps(config.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)).hexdigest()


def component_text(config: AgentConfig, component: Component) -> str:
    """The text that an edit of this component starts from; empty where it has none."""
    match component:
        case Component.BASE_PROMPT:
            return config.template.base_prompt
        case Component.USER_PROMPT:
            return config.template.user_prompt or ""
        case Component.EXAMPLES:
            return "\n".join(f"{example.input}\n{example.output}" for example in config.template.examples)
        case Component.TOOL_DESCRIPTIONS:
            described = {name: _function(tool).get("description", "") for name, tool in _tools(config).items()}
            return orjson.dumps(described, option=orjson.OPT_INDENT_2).decode() if described else ""
        case Component.HYPERPARAMETERS | Component.CONTEXT_SELECTION:
            return ""


def text_components(config: AgentConfig) -> tuple[Component, ...]:
    """The components of a config that have something to write anew; a user prompt that only carries values has not."""
    words = len(_WORD.findall(_PLACEHOLDER.sub("", config.template.user_prompt or "")))
    spoken = {
        Component.BASE_PROMPT: True,  # may be empty and still be written
        Component.USER_PROMPT: words >= SPOKEN_WORDS,
        Component.TOOL_DESCRIPTIONS: bool(config.template.tools),
    }
    return tuple(component for component in TEXTS if spoken[component])


def changed_components(base: AgentConfig, config: AgentConfig) -> frozenset[Component]:
    """What differs between two configs of one agent."""
    before, after = base.template, config.template
    changed = {
        Component.BASE_PROMPT: before.base_prompt != after.base_prompt,
        Component.USER_PROMPT: before.user_prompt != after.user_prompt,
        Component.TOOL_DESCRIPTIONS: before.tools != after.tools,
        Component.EXAMPLES: before.examples != after.examples,
        Component.HYPERPARAMETERS: base.hyperparameters != config.hyperparameters,
        Component.CONTEXT_SELECTION: before.context_selection != after.context_selection,
    }
    return frozenset(component for component, differs in changed.items() if differs)


def apply_edit(config: AgentConfig, edit: Edit) -> AgentConfig:
    """The config with the edit applied; a component that the edit says nothing about stays as it is."""
    match edit.component:
        case Component.BASE_PROMPT if edit.text:
            template = config.template.model_copy(update={"base_prompt": edit.text})
        case Component.USER_PROMPT if edit.text:
            template = config.template.model_copy(update={"user_prompt": edit.text})
        case Component.EXAMPLES if edit.examples is not None:
            template = config.template.model_copy(update={"examples": edit.examples})
        case Component.TOOL_DESCRIPTIONS if (described := _descriptions(config, edit.text)) is not None:
            tools = tuple(_described(tool, described[name]) for name, tool in _tools(config).items())
            template = config.template.model_copy(update={"tools": tools})
        case Component.CONTEXT_SELECTION if edit.context_selection is not None:
            template = config.template.model_copy(update={"context_selection": edit.context_selection})
        case Component.HYPERPARAMETERS if edit.hyperparameters is not None:
            return config.model_copy(update={"hyperparameters": edit.hyperparameters})
        case _:
            return config
    return config.model_copy(update={"template": template})


def candidate_from(parent: AgentConfig, edit: Edit, *, strategy: Strategy, cluster_signature: str | None = None) -> Candidate:
    """The candidate that an edit of the parent makes."""
    child = apply_edit(parent, edit)
    return Candidate(
        key=config_key(child),
        parent_key=config_key(parent),
        strategy=strategy,
        component=edit.component,
        config=child,
        rationale=edit.rationale,
        cluster_signature=cluster_signature,
    )


def edit_problems(
    parent: AgentConfig, edit: Edit, *, train_answers: Iterable[str] = (), tried: Collection[str] = ()
) -> tuple[str, ...]:
    """Why the edit is refused, a sentence each; empty when it may be tried.

    ``train_answers`` are expected and given answers of training cases; ``tried`` holds the keys of configs already
    proposed (``config_key``), the baseline's included.
    """
    if edit.component is Component.TOOL_DESCRIPTIONS and _descriptions(parent, edit.text) is None:
        return ("The descriptions are not one JSON object with a text for each tool of the agent.",)
    child = apply_edit(parent, edit)
    if child == parent:
        return ("The edit changes nothing.",)
    known = ("This config was tried before.",) if config_key(child) in tried else ()
    return (*known, *config_problems(parent, child, train_answers=train_answers))


def config_problems(parent: AgentConfig, child: AgentConfig, *, train_answers: Iterable[str] = ()) -> tuple[str, ...]:
    """Why what the child says anew is refused: lost placeholders, too long, an answer learnt by heart, a secret."""
    answers = list(train_answers)
    problems: list[str] = []
    for component in (*TEXTS, Component.EXAMPLES):
        before, after = component_text(parent, component), component_text(child, component)
        if before == after:
            continue
        if component is not Component.EXAMPLES:
            problems += _text_problems(before, after, answers)
        if _SECRETS.search(after) and not _SECRETS.search(before):
            problems.append("The new text contains something that looks like a secret.")
    return tuple(problems)


def _tools(config: AgentConfig) -> dict[str, dict[str, Any]]:
    """The tools by name; one without a name, or with another one's, by its place."""
    tools: dict[str, dict[str, Any]] = {}
    for position, tool in enumerate(config.template.tools):
        name = str(_function(tool).get("name") or position)
        tools[f"{name}#{position}" if name in tools else name] = tool
    return tools


def _function(tool: dict[str, Any]) -> dict[str, Any]:
    """Where a tool's name and description stand: within ``function`` in OpenAI's form, else in the tool itself."""
    function = tool.get("function")
    return function if isinstance(function, dict) else tool


def _described(tool: dict[str, Any], description: str) -> dict[str, Any]:
    said = {**_function(tool), "description": description}
    return {**tool, "function": said} if isinstance(tool.get("function"), dict) else said


def _descriptions(config: AgentConfig, text: str | None) -> dict[str, str] | None:
    """A text for each tool, and for no other; None when it is anything else."""
    try:
        read = orjson.loads(text or "")
    except orjson.JSONDecodeError:
        return None
    is_whole = isinstance(read, dict) and read.keys() == _tools(config).keys()
    return read if is_whole and all(isinstance(value, str) for value in read.values()) else None


def _text_problems(before: str, after: str, train_answers: Iterable[str]) -> list[str]:
    problems = []
    old_names, new_names = set(_PLACEHOLDER.findall(before)), set(_PLACEHOLDER.findall(after))
    if lost := sorted(old_names - new_names):
        problems.append(f"The placeholders {', '.join(lost)} are lost.")
    if unknown := sorted(new_names - old_names):
        problems.append(f"The placeholders {', '.join(unknown)} have no value.")
    if len(after) > MAX_PROMPT_CHARACTERS:
        problems.append(f"The text has {len(after)} characters; {MAX_PROMPT_CHARACTERS} are allowed.")
    new_runs = _word_runs(after) - _word_runs(before)
    if any(new_runs & _word_runs(answer) for answer in train_answers):
        problems.append(f"The text repeats {MEMORISED_WORDS} words in a row of a training answer.")
    return problems


@remembered(4096)
def _word_runs(text: str) -> frozenset[tuple[str, ...]]:
    """Every proposal of a search is held against the same answers."""
    words = _WORD.findall(text.lower())
    return frozenset(tuple(words[start : start + MEMORISED_WORDS]) for start in range(len(words) - MEMORISED_WORDS + 1))
