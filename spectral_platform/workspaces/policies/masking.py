"""What is taken out of texts before they are stored.

One pass of an automaton over all patterns at once tells which of them occur in a text at all; most texts have none and are done
with it. Only the patterns that occur are then replaced, one after the other. Matching takes linear time whatever the pattern.
"""

from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from typing import Annotated, Any, ClassVar

import orjson
import re2
from pydantic import AfterValidator, Field

from spectral_platform.core.linear_regex import LinearPattern, compile_pattern
from spectral_platform.core.values import Value
from spectral_platform.workspaces.policies.detectors import FORMS, PATTERNS, Detector
from spectral_platform.workspaces.policies.kinds import Policy, PolicyKind

NAME = "{name}"
KEY = "key"
LARGEST_PLAIN_INTEGER = 10**12
"""Smaller numbers are too short to be a card's."""

Replacement = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f]*$")]


def _matches_something(pattern: str) -> str:
    if compile_pattern(pattern).search("") is not None:
        raise ValueError("matches the empty text, so it would mask between any two characters")
    return pattern


class MaskingRule(Value):
    """A pattern of the workspace's own."""

    name: str = Field(min_length=1, max_length=80, description="What it finds.", examples=["customer_number"])
    pattern: Annotated[LinearPattern, AfterValidator(_matches_something)]
    replacement: Replacement | None = Field(default=None, description="What stands there instead; null = the policy's own.")


class Masking(Policy):
    """What is taken out of spans, traces and feedback before they are stored; what is stored already stays as it is."""

    kind: ClassVar[PolicyKind] = PolicyKind.MASKING

    detectors: tuple[Detector, ...] = Field(
        default=(),
        max_length=len(Detector),
        description="Kinds of data that are recognised by their form: `card` numbers by their check digit (Luhn), `iban` by "
        "theirs, `secret` = keys and tokens of well-known forms, private keys and bearer tokens.",
        examples=[["email", "card", "secret"]],
    )
    rules: tuple[MaskingRule, ...] = Field(
        default=(), max_length=100, description="Patterns of your own, applied first and in this order."
    )
    keys: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(
        default=(),
        max_length=200,
        description="Attributes whose whole value is masked, by name, whatever its case: `*` stands for anything. Keys inside "
        "of values, and of JSON in texts, count as well.",
        examples=[["*password*", "http.request.header.authorization"]],
    )
    replacement: Replacement = Field(
        default="[{name}]", description="What stands in the place of what was found; `{name}` is the kind or the rule's name."
    )

    @property
    def is_empty(self) -> bool:
        """Whether it masks nothing."""
        return not (self.detectors or self.rules or self.keys)

    @cached_property
    def masker(self) -> "Masker":
        """The policy, compiled."""
        return Masker(self)


class Masker:
    """A compiled policy."""

    def __init__(self, policy: Masking) -> None:
        chosen = [detector for detector in FORMS if detector in policy.detectors]  # in the detectors' order, not the caller's
        self._steps: list[tuple[Any, Callable[[Any], str]]] = [
            (compile_pattern(rule.pattern), self._by_rule(rule.replacement or policy.replacement, rule.name))
            for rule in policy.rules
        ] + [(PATTERNS[detector], self._by_detector(policy.replacement, detector)) for detector in chosen]
        self._occurring = re2.Set.SearchSet()
        for pattern in [rule.pattern for rule in policy.rules] + [FORMS[detector].pattern for detector in chosen]:
            self._occurring.Add(pattern)
        self._always = self._occurring.Add("")
        self._occurring.Compile()
        self._masked_key = policy.replacement.replace(NAME, KEY)
        self._keys = self._compile_keys(policy.keys)
        self.matches_key = lru_cache(maxsize=4096)(self._match_key)

    @staticmethod
    def _compile_keys(keys: tuple[str, ...]) -> Any:
        if not keys:
            return None
        globs = "|".join(".*".join(re2.escape(part) for part in key.split("*")) for key in keys)
        return compile_pattern(f"^(?:{globs})$", "is")

    def _match_key(self, key: str) -> bool:
        return self._keys is not None and self._keys.search(key) is not None

    @staticmethod
    def _by_rule(replacement: str, name: str) -> Callable[[Any], str]:
        masked = replacement.replace(NAME, name)
        return lambda match: masked

    @staticmethod
    def _by_detector(replacement: str, detector: Detector) -> Callable[[Any], str]:
        masked, refine = replacement.replace(NAME, detector), FORMS[detector].refine

        def mask(match: Any) -> str:
            whole: str = match.group()
            piece = refine(whole)
            return whole.replace(piece, masked, 1) if piece else whole

        return mask

    def text(self, text: str) -> str:
        """The text without what the policy finds in it; in JSON also without the values of masked keys."""
        text = self._document(text)
        occurring = self._occurring.Match(text) if self._steps else [self._always]
        # The empty pattern occurs in every text; if even that was not found, the automaton has failed and proves nothing.
        chosen = occurring if self._always in occurring else range(len(self._steps))
        for index in sorted(chosen):
            if index != self._always:
                pattern, mask = self._steps[index]
                text = pattern.sub(mask, text)
        return text

    def optional(self, text: str | None) -> str | None:
        """The same for a text that may be missing."""
        return self.text(text) if text else text

    def value(self, value: Any) -> Any:
        """A JSON value without what the policy finds in its texts and under its keys."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return self.mapping(value)
        if isinstance(value, (list, tuple)):
            return [self.value(item) for item in value]
        if isinstance(value, int) and value >= LARGEST_PLAIN_INTEGER:
            digits = str(value)
            masked = self.text(digits)
            return value if masked == digits else masked
        return value

    def mapping(self, mapping: Mapping[str, Any]) -> dict[str, Any]:
        """The same for attributes."""
        return {
            key: self._masked_key if self.matches_key(key) and value is not None else self.value(value)
            for key, value in mapping.items()
        }

    def _document(self, text: str) -> str:
        if self._keys is None or text.lstrip()[:1] not in {"{", "["}:
            return text
        try:
            document = orjson.loads(text)
        except orjson.JSONDecodeError:
            return text
        try:
            masked = self._without_keys(document)
            return text if masked == document else orjson.dumps(masked).decode()
        except (RecursionError, TypeError):  # nested deeper than can be looked into or written: nothing proves it harmless
            return self._masked_key

    def _without_keys(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: self._masked_key if self.matches_key(key) and item is not None else self._without_keys(item)
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self._without_keys(item) for item in value]
        return self._document(value) if isinstance(value, str) else value  # arguments of tool calls are JSON in JSON
