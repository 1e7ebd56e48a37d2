"""What is taken out of texts before they are stored.

One pass of an automaton over all patterns at once, and over all texts of a span, tells whether any of them occurs; most spans
have none and are done with it. Only where one does, texts are looked at alone, and only the patterns that occur are then
replaced, one after the other. Matching takes linear time whatever the pattern.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Annotated, Any, ClassVar

import orjson
import re2
from pydantic import AfterValidator, Field

from spectral_platform.core.linear_regex import LinearPattern, compile_pattern
from spectral_platform.core.values import Value
from spectral_platform.workspaces.policies.detectors import FORMS, PATTERNS, Detector, Form, is_random, least_length
from spectral_platform.workspaces.policies.kinds import Policy, PolicyKind

NAME = "{name}"
KEY = "key"
LARGEST_PLAIN_INTEGER = 10**12
"""Smaller numbers are too short to be a card's."""

MOST_KNOWN, LONGEST_KNOWN = 4096, 100
MOST_PASSES = 32
"""What was found may have hidden its neighbour, which is found in the next pass; so many may stand in a row without a space."""

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
        forms = [(detector, form) for detector in FORMS if detector in policy.detectors for form in FORMS[detector]]
        self._steps: list[tuple[Any, Callable[[Any], str]]] = [
            (compile_pattern(rule.pattern), self._by_rule(rule.replacement or policy.replacement, rule.name))
            for rule in policy.rules
        ] + [(PATTERNS[form.pattern], self._by_form(policy.replacement, detector, form)) for detector, form in forms]
        patterns = [rule.pattern for rule in policy.rules] + [form.pattern for _, form in forms]
        self._rules = len(policy.rules)
        hint = _hint(policy.keys)
        self._hint = None if hint is None else compile_pattern(hint)
        self._occurring = _Automaton(patterns)
        self._anywhere = _Automaton([f"(?m:{pattern})" for pattern in patterns] + ([] if hint is None else [hint]))
        self._can_join = not any(_ENDS_OF_TEXT.search(rule.pattern) for rule in policy.rules)
        self._masked_key = policy.replacement.replace(NAME, KEY)
        self._masked_secret = policy.replacement.replace(NAME, Detector.SECRET)
        self._finds_secrets = Detector.SECRET in policy.detectors
        self._keys = self._compile_keys(policy.keys)
        self._about = lru_cache(maxsize=MOST_KNOWN)(self._know)
        self._harmless: set[str] = set()

    @staticmethod
    def _compile_keys(keys: tuple[str, ...]) -> Any:
        if not keys:
            return None
        globs = "|".join(".*".join(re2.escape(part) for part in key.split("*")) for key in keys)
        return compile_pattern(f"^(?:{globs})$", "is")

    @staticmethod
    def _by_rule(replacement: str, name: str) -> Callable[[Any], str]:
        masked = replacement.replace(NAME, name)
        return lambda match: masked

    @staticmethod
    def _by_form(replacement: str, detector: Detector, form: Form) -> Callable[[Any], str]:
        masked = replacement.replace(NAME, detector)

        def mask(match: Any) -> str:
            rest: str = match.group()
            parts: list[str] = []
            for piece in form.refine(rest):
                before, _, rest = rest.partition(piece)
                parts += (before, masked)
            return "".join([*parts, rest])

        return mask

    def leaves(self, values: Iterable[Any]) -> bool:
        """Whether all of these JSON values stay as they are, told by one look at all their texts together."""
        texts: list[str] = []
        if not all(self._gather(value, texts) for value in values):
            return False
        if not self._can_join:
            return all(self.text(text) == text for text in texts)
        # Between two line ends every text begins and ends as if it stood alone, so what is found in one is found in all of them.
        return not self._anywhere.find("\n".join(texts))

    def _gather(self, value: Any, texts: list[str]) -> bool:
        """Add the texts of a value; False as soon as one of its keys decides that it does not stay as it is."""
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, Mapping):
            for key, item in value.items():
                shown, is_masked, least = self._about(key)
                if is_masked or shown != key:
                    return False
                if type(item) is str:
                    if least is not None and is_random(item, least):
                        return False
                    texts.append(item)
                elif not self._gather(item, texts):
                    return False
        elif isinstance(value, (list, tuple)):
            return all(self._gather(item, texts) for item in value)
        elif (digits := _digits(value)) is not None:
            texts.append(digits)
        return True

    def _know(self, key: str) -> tuple[str, bool, int | None]:
        """What a key becomes, whether all under it is masked, and how long a text under it must be to be a secret."""
        is_masked = self._keys is not None and self._keys.search(_encodable(key)) is not None
        return self.text(key), is_masked, least_length(key) if self._finds_secrets else None

    def text(self, text: str) -> str:
        """The text without what the policy finds in it; in JSON also without the values of masked keys."""
        if text in self._harmless:
            return text
        masked = self._mask(text)
        if masked == text and len(text) <= LONGEST_KNOWN:  # attributes say the same few words again and again
            if len(self._harmless) >= MOST_KNOWN:
                self._harmless.clear()
            self._harmless.add(text)
        return masked

    def _mask(self, text: str) -> str:
        text = self._document(_encodable(text))
        for number in range(MOST_PASSES if self._steps else 0):
            before = text
            for index in self._occurring.find(text):
                if number == 0 or index >= self._rules:  # what rules write may be what they look for
                    pattern, mask = self._steps[index]
                    text = pattern.sub(mask, text)
            if text == before:
                break
        return text

    def optional(self, text: str | None) -> str | None:
        """The same for a text that may be missing."""
        return self.text(text) if text else text

    def value(self, value: Any) -> Any:
        """A JSON value without what the policy finds in its texts, in its keys and under them."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return self.mapping(value)
        if isinstance(value, (list, tuple)):
            return [self.value(item) for item in value]
        digits = _digits(value)
        if digits is None:
            return value
        masked = self.text(digits)
        return value if masked == digits else masked

    def mapping(self, mapping: Mapping[str, Any]) -> dict[str, Any]:
        """The same for attributes. Keys that look the same once they are masked are numbered, so that no value is lost."""
        masked: dict[str, Any] = {}
        for key, value in mapping.items():
            shown = name = self._about(key)[0]
            times = 1
            while shown in masked:
                times += 1
                shown = f"{name} ({times})"
            masked[shown] = self._under(key, value)
        return masked

    def _under(self, key: str, value: Any) -> Any:
        _, is_masked, least = self._about(key)
        if is_masked and value is not None:
            return self._masked_key
        if least is not None and isinstance(value, str) and is_random(value, least):
            return self._masked_secret
        return self.value(value)

    def _document(self, text: str) -> str:
        if self._hint is None or text.lstrip()[:1] not in {"{", "["} or self._hint.search(text) is None:
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
                key: self._masked_key if self._about(key)[1] and item is not None else self._without_keys(item)
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self._without_keys(item) for item in value]
        return self._document(value) if isinstance(value, str) else value  # arguments of tool calls are JSON in JSON


class _Automaton:
    """Many patterns looked for at once."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._set = re2.Set.SearchSet()
        for pattern in patterns:
            self._set.Add(pattern)
        self._end = self._set.Add(r"\z")
        self._set.Compile()

    def find(self, text: str) -> list[int]:
        """The positions of the patterns that occur, in their order."""
        found = self._set.Match(_encoded(text)) or ()
        # Every text has an end; if even that was not found, the automaton has failed and proves nothing.
        return sorted(index for index in found if index != self._end) if self._end in found else list(range(self._end))


_ENDS_OF_TEXT = re.compile(r"\\[Az]|\(\?[A-Za-z]*-")
"""What tells the ends of a text from those of a line, or might."""
_ESCAPED_LETTER = r"\\u(?:00[0-7][0-9A-Fa-f]|017[Ff]|212[Aa])"
"""An ASCII letter that JSON wrote as an escape; the last two count as letters too where case does not matter."""


def _hint(keys: Sequence[str]) -> str | None:
    """A pattern that occurs in every text of JSON in which one of the keys does; None without keys."""
    parts = [max(key.split("*"), key=len) for key in keys]
    if not parts:
        return None
    if not all(part.isascii() and part.isprintable() and not set(part) & set('"\\/') and part for part in parts):
        return r"[{\[]"  # such a key may be written in many ways
    return "(?i:" + "|".join([*(re2.escape(part) for part in parts), _ESCAPED_LETTER]) + ")"


def _digits(value: Any) -> str | None:
    """A number that is long enough to be a card's, as text."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(abs(value)) if isinstance(value, int) and abs(value) >= LARGEST_PLAIN_INTEGER else None


def _encodable(text: str) -> str:
    """The text without the halves that a cut through an emoji leaves, which no encoding of Unicode has."""
    return text if text.isascii() else _encoded(text).decode()


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
