"""Headroom: whether the failures are such that a prompt could mend them, and a prompt that says everything to see if one does."""

import re
from collections.abc import Iterable

from spectral_platform.agents.configuration import AgentConfig

MENTIONED_SHARE = 0.6
_WORD = re.compile(r"\w{4,}")
_IDLE = frozenset({"answer", "must", "with", "that", "this", "from", "have", "when", "their", "never", "always", "every"})


def is_mentioned(prompt: str, requirement: str) -> bool:
    """Whether the prompt asks for it already: most words of the requirement that mean something stand in it (a rough test)."""
    asked = _stems(requirement)
    return not asked or len(asked & _stems(prompt)) >= MENTIONED_SHARE * len(asked)


def probe_config(parent: AgentConfig, requirements: Iterable[str]) -> AgentConfig:
    """The parent with every requirement that it fails as a line of its prompt: the strongest prompt that needs no search."""
    prompt = parent.template.base_prompt.rstrip()
    lines = [" ".join(line.split()) for line in dict.fromkeys(requirements)]
    text = "\n".join((prompt, *(f"- {line}" for line in lines if line and line not in prompt)))
    return parent.model_copy(update={"template": parent.template.model_copy(update={"base_prompt": text})})


def _stems(text: str) -> set[str]:
    return {word[:6] for word in _WORD.findall(text.lower())} - {word[:6] for word in _IDLE}
