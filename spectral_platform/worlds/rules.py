"""World models: packaged, versioned domain standards, each a list of rules with severity, source and evaluator."""

import functools
import importlib.resources
from enum import StrEnum
from typing import Any

import yaml
from pydantic import Field, model_validator

from spectral_platform.core.values import Value
from spectral_platform.evaluations.evaluators.catalogue import CODE, CodeEvaluator
from spectral_platform.worlds.errors import WorldNotFound

DEFAULT_WORLD = "general-agent-conduct@1.0.0"


class RuleStatus(StrEnum):
    """How far a rule has come; retired and candidate rules take no part in an evaluation."""

    CANDIDATE = "candidate"
    PROVISIONAL = "provisional"
    PENDING_APPROVAL = "pending_approval"
    ENSHRINED = "enshrined"
    RETIRED = "retired"


class Severity(StrEnum):
    """How bad it is when a rule is broken; a broken critical rule makes the whole answer worth nothing."""

    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"

    @property
    def weight(self) -> float:
        """Weight of the rule's criterion in authority A's mean."""
        return _WEIGHTS[self]


_WEIGHTS = {Severity.CRITICAL: 4.0, Severity.MAJOR: 2.0, Severity.MINOR: 1.0}


class AppliesTo(StrEnum):
    """Which answers a rule is checked on."""

    EVERY_ANSWER = "every_answer"
    OWN_STIMULI = "own_stimuli"


class Provenance(Value):
    """Where a rule comes from."""

    tier: str = Field(pattern="^(authoritative|distilled)$")
    source: str = Field(description="Title of the document or practice that the rule restates.")
    reference: str = Field(description="Section, identifier or address in the source.")


class SlotValue(Value):
    """One value of a slot; ``also`` fills further slots that belong to it (a language's name, a marker)."""

    text: str
    also: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _from_plain_text(cls, value: Any) -> Any:
        return {"text": value} if isinstance(value, str) else value


class StimulusGenerator(Value):
    """How fresh stimuli of one rule are made: templates over slots, then mutations of the surface.

    ``{{name}}`` in a template is a slot; slots also fill the rule's evaluator. ``mutations`` name operators of
    ``mutations.MUTATIONS``.
    """

    templates: tuple[str, ...] = Field(min_length=1)
    contexts: tuple[str, ...] = ()
    expected_output: str | None = None
    slots: dict[str, tuple[SlotValue, ...]] = Field(default_factory=dict)
    mutations: tuple[str, ...] = ()
    waives: tuple[str, ...] = Field(
        default=(), description="Rules on every answer that make no sense here, such as resting on a context to keep secret."
    )


class Rule(Value):
    """One rule of a domain standard; ``evaluator`` is an evaluator spec that may hold the generator's slots."""

    key: str
    text: str
    status: RuleStatus
    severity: Severity
    provenance: Provenance
    applies_to: AppliesTo
    evaluator: dict[str, Any]
    generator: StimulusGenerator | None = None

    @model_validator(mode="after")
    def _has_stimuli_if_it_needs_them(self) -> "Rule":
        if (self.applies_to is AppliesTo.OWN_STIMULI) != (self.generator is not None):
            raise ValueError(f"rule {self.key}: exactly the rules on their own stimuli have a generator")
        return self

    @functools.cached_property
    def spec(self) -> CodeEvaluator:
        """The evaluator of a rule for every answer; that of a rule on its own stimuli is each stimulus's."""
        return CODE.validate_python(self.evaluator)

    @property
    def is_active(self) -> bool:
        """Whether the rule takes part in evaluations."""
        return self.status not in (RuleStatus.CANDIDATE, RuleStatus.RETIRED)


class WorldModel(Value):
    """One version of a domain standard; a published version never changes."""

    name: str
    version: str
    title: str
    domain: str
    description: str
    max_similarity: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="How alike two stimuli of one set may be, by the Jaccard similarity of their 5-grams of words; "
        "null = as alike as they like, but not the same.",
    )
    rules: tuple[Rule, ...]

    @property
    def reference(self) -> str:
        """``name@version``, as workspaces and scans quote it."""
        return f"{self.name}@{self.version}"

    @functools.cached_property
    def common_rules(self) -> tuple[Rule, ...]:
        """The rules that every answer is held to."""
        return self.active_rules(AppliesTo.EVERY_ANSWER)

    def active_rules(self, applies_to: AppliesTo) -> tuple[Rule, ...]:
        """The rules that take part in evaluations and apply so."""
        return tuple(rule for rule in self.rules if rule.is_active and rule.applies_to is applies_to)

    def rule(self, key: str) -> Rule:
        """The rule of this key, which must exist."""
        return next(rule for rule in self.rules if rule.key == key)


def list_worlds() -> tuple[str, ...]:
    """References of the packaged world models."""
    packs = importlib.resources.files("spectral_platform.worlds") / "packs"
    names = sorted(entry.name.removesuffix(".yaml") for entry in packs.iterdir() if entry.name.endswith(".yaml"))
    return tuple("@".join(name.rsplit("-", 1)) for name in names)


@functools.cache
def load_world(reference: str) -> WorldModel:
    """The packaged world model ``name@version``. Raises ``WorldNotFound``."""
    if reference not in list_worlds():
        raise WorldNotFound(reference, list_worlds())
    pack = importlib.resources.files("spectral_platform.worlds") / "packs" / f"{reference.replace('@', '-')}.yaml"
    return WorldModel.model_validate(yaml.load(pack.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader))
