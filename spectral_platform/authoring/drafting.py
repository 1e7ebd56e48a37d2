"""A first rubric for an agent, by rules: what its prompt asks for, what its traces look like, and what its domain demands.

What a program can check becomes an evaluator that is code; the rest becomes atomic criteria of a judge. The same observations
give the same draft.
"""

import math
import re
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any

import orjson
from pydantic import Field, ValidationError

from spectral_platform.agents.configuration import PromptTemplate
from spectral_platform.core.values import Value
from spectral_platform.evaluations.dimensions import Dimension, normalize_weights
from spectral_platform.evaluations.evaluators.llm_judge import LlmJudge
from spectral_platform.worlds.rules import AppliesTo, Severity, WorldModel

FEWEST_TRACES = 20
"""So many traces make a limit on time or cost, or show the form of answers."""
MOST_CRITERIA = 8
LEAST_COMPLAINTS = 2
_LONGEST_STATEMENT = 300
_LONGEST_TEXT = 4_000
_HEADROOM = 1.5
_JSON_SHARE = 0.9

_MARK = re.compile(r"^\s*(?:[-*•+]|\d+[.)]|#{1,6})\s+")
_END = re.compile(r"(?<=[.!?])\s+(?=[^\W\d_])")
_DIRECTIVE = re.compile(
    r"\b(?:always|never|must|do not|don't|should|only|avoid|ensure|make sure)\b"
    r"|^(?:add|answer|ask|begin|be|cite|close|decline|end|explain|give|include|keep|mention|name|quote|refuse|reply|respond"
    r"|say|start|state|stay|tell|use|write)\b",
    re.IGNORECASE,
)
_PRIVATE = re.compile(r"personal (?:data|information)|\bPII\b|phone numbers?|e-?mail address|card numbers?|social security", re.I)
_FORBIDS = re.compile(r"\b(?:never|not|don't|avoid|without)\b", re.IGNORECASE)
_WORDS = re.compile(
    r"\b(?:at most|no more than|fewer than|less than|under|within|up to|in|maximum of)\s+(\d{1,3})\s+words\b", re.IGNORECASE
)
_GROUNDED = re.compile(
    r"\bonly\b.*\b(?:context|documents?|articles?|sources?|passages?|information given|given information)\b", re.IGNORECASE
)
_SOURCE = re.compile(r"\[([A-Z]{2,12})-(?:\d+|[xXnN#]+)\]")


class Source(StrEnum):
    """Where a dimension of a draft comes from."""

    GOAL = "goal"
    TEMPLATE = "template"
    TRACES = "traces"
    FEEDBACK = "feedback"
    WORLD = "world_model"
    MODEL = "model"


class Exchange(Value):
    """What an agent was asked and what it answered."""

    input: str
    output: str


class Comment(Value):
    """What somebody said of an answer that they did not like; ``dimension`` is what they rated, None = the whole answer."""

    text: str
    dimension: str | None


class Observed(Value):
    """What is known of an agent when its rubric is drafted; traces that became samples are not among it."""

    agent_name: str
    template: PromptTemplate | None
    exchanges: tuple[Exchange, ...] = ()
    latencies_ms: tuple[int, ...] = ()
    costs_usd: tuple[float, ...] = ()
    has_retrieval: bool = False
    comments: tuple[Comment, ...] = ()
    rated_dimensions: tuple[str, ...] = ()


class DraftedDimension(Value):
    """A dimension with where it comes from and why it is there."""

    dimension: Dimension
    source: Source = Field(description="What it was drawn from.")
    reason: str = Field(description="Why it is in the draft.")


def draft_dimensions(observed: Observed, world: WorldModel, goal: str | None) -> tuple[DraftedDimension, ...]:
    """The dimensions of a rubric for the agent, with weights that sum to 1 and keys that differ."""
    drafted = [_goal(goal), *_from_template(observed), *_from_traces(observed), *_from_feedback(observed), _from_world(world)]
    first: dict[str, DraftedDimension] = {}
    for item in drafted:
        if item is not None:
            first.setdefault(item.dimension.key, item)
    return weighed(tuple(first.values()))


def weighed(drafted: Sequence[DraftedDimension]) -> tuple[DraftedDimension, ...]:
    """The same with weights that sum to 1."""
    dimensions = normalize_weights(tuple(item.dimension for item in drafted))
    return tuple(item.model_copy(update={"dimension": dimension}) for item, dimension in zip(drafted, dimensions, strict=True))


def slug(text: str) -> str:
    """A dimension's key made of any text; empty when the text has nothing to make one of."""
    key = re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_")[:60].strip("_")
    return key if key[:1].isalpha() else ""


def _goal(goal: str | None) -> DraftedDimension:
    if goal:
        text = goal[:_LONGEST_TEXT]
        return _drafted(Source.GOAL, "The goal that the request states.", key="goal", name="Goal", text=text, weight=3)
    return _drafted(
        Source.TEMPLATE,
        "Every agent is there to help; state a goal to say more.",
        key="helpfulness",
        name="Helpfulness",
        text="Answers what was asked. Leaves out nothing that the person needs to go on.",
        weight=3,
    )


def _from_template(observed: Observed) -> Iterator[DraftedDimension]:
    template = observed.template
    if template is None:
        return
    if template.output_format is not None and template.output_format.kind == "json":
        schema = template.output_format.json_schema or {"type": "object"}
        yield from _checked(
            Source.TEMPLATE,
            "The template asks for JSON.",
            key="format",
            name="Format",
            text="Answer with JSON that fits the schema.",
            weight=2,
            evaluator={"kind": "json_schema", "schema": schema},
        )
    criteria: list[str] = []
    for statement in _directives(template):
        checks = list(_checks_of(statement))
        yield from checks
        if not checks and len(criteria) < MOST_CRITERIA:
            criteria.append(statement)
    if criteria:
        yield _drafted(
            Source.TEMPLATE,
            "What the prompt tells the agent to do.",
            key="instructions",
            name="Instructions",
            text="Follow the instructions of the prompt.",
            weight=2,
            criteria=criteria,
        )
    prompts = f"{template.base_prompt} {template.user_prompt or ''}"
    if observed.has_retrieval or template.context_selection is not None or re.search(r"\{\{\s*context\s*\}\}", prompts):
        yield _grounding("The agent answers from context that it is given.")


def _directives(template: PromptTemplate) -> Iterator[str]:
    for line in template.base_prompt.splitlines():
        for part in _END.split(_MARK.sub("", line)):
            statement = part.strip()
            is_plain = 8 <= len(statement) <= _LONGEST_STATEMENT and "{{" not in statement
            if is_plain and _DIRECTIVE.search(statement):
                yield statement


def _checks_of(statement: str) -> Iterator[DraftedDimension]:
    """The evaluators that are code and check this statement; none when only a reader can."""
    reason = f"The prompt says: {statement}"
    if _PRIVATE.search(statement) and _FORBIDS.search(statement):
        yield from _checked(
            Source.TEMPLATE,
            reason,
            key="privacy",
            name="Privacy",
            text=statement,
            weight=1,
            evaluator={"kind": "pii"},
            minimum=1,
        )
    if limit := _WORDS.search(statement):
        fewer_than = {"id": "length_constraints:number_words", "relation": "less than", "num_words": int(limit.group(1)) + 1}
        yield from _checked(
            Source.TEMPLATE,
            reason,
            key="length",
            name="Length",
            text=statement,
            weight=1,
            evaluator={"kind": "instruction", "instructions": [fewer_than]},
        )
    if mark := _SOURCE.search(statement):
        yield from _checked(
            Source.TEMPLATE,
            reason,
            key="sources",
            name="Sources",
            text=statement,
            weight=1,
            evaluator={"kind": "regex", "pattern": rf"\[{mark.group(1)}-\d+\]"},
        )
    if _GROUNDED.search(statement):
        yield _grounding(reason)


def _grounding(reason: str) -> DraftedDimension:
    return _drafted(
        Source.TEMPLATE,
        reason,
        key="grounding",
        name="Grounding",
        text="State only what the given context supports.",
        weight=2,
        evaluator={"kind": "groundedness"},
    )


def _from_traces(observed: Observed) -> Iterator[DraftedDimension]:
    documents = [document for exchange in observed.exchanges if (document := _json_object(exchange.output)) is not None]
    if len(observed.exchanges) >= FEWEST_TRACES and len(documents) >= _JSON_SHARE * len(observed.exchanges):
        shared = sorted(set.intersection(*(set(document) for document in documents)))[:50]
        yield from _checked(
            Source.TRACES,
            f"{len(documents)} of {len(observed.exchanges)} answers are JSON objects, all with these fields.",
            key="format",
            name="Format",
            text="Answer with a JSON object that has the usual fields.",
            weight=2,
            evaluator={"kind": "json_schema", "schema": {"type": "object", "required": shared}},
        )
    if len(observed.latencies_ms) >= FEWEST_TRACES:
        usual = _percentile(observed.latencies_ms)
        yield from _checked(
            Source.TRACES,
            f"19 of 20 answers take at most {usual:.0f} ms; half as much again is allowed.",
            key="speed",
            name="Speed",
            text="Be there in about the usual time.",
            weight=0.5,
            evaluator={"kind": "max_latency", "value": _rounded_up(usual * _HEADROOM)},
        )
    if len(observed.costs_usd) >= FEWEST_TRACES:
        usual = _percentile(observed.costs_usd)
        yield from _checked(
            Source.TRACES,
            f"19 of 20 answers cost at most {usual:.2g} USD; half as much again is allowed.",
            key="cost",
            name="Cost",
            text="Cost no more than is usual.",
            weight=0.5,
            evaluator={"kind": "max_cost", "value": _rounded_up(usual * _HEADROOM)},
        )


def _from_feedback(observed: Observed) -> Iterator[DraftedDimension]:
    general = [comment.text for comment in observed.comments if comment.dimension is None]
    distinct = list(dict.fromkeys(_one_line(text) for text in general))[:MOST_CRITERIA]
    if len(general) >= LEAST_COMPLAINTS:
        yield _drafted(
            Source.FEEDBACK,
            f"{len(general)} comments on answers that people did not like.",
            key="complaints",
            name="Complaints",
            text="Give no cause for what people complained about.",
            weight=1,
            criteria=[f"Gives no cause for this complaint: {text}" for text in distinct],
        )
    for rated, count in Counter(observed.rated_dimensions).most_common(MOST_CRITERIA):
        if key := slug(rated):
            said = [_one_line(comment.text) for comment in observed.comments if comment.dimension == rated]
            yield _drafted(
                Source.FEEDBACK,
                f"People rated answers by this {count} times, so a judge can be compared with them.",
                key=key,
                name=rated[:120],
                text=f"Be good in what people rate as {rated[:120]}.",
                weight=1,
                guidance="\n".join(f"People disliked: {text}" for text in dict.fromkeys(said))[:_LONGEST_TEXT] or None,
            )


def _from_world(world: WorldModel) -> DraftedDimension | None:
    rules = [rule for rule in world.active_rules(AppliesTo.OWN_STIMULI) if rule.severity is not Severity.MINOR]
    chosen = sorted(rules, key=lambda rule: -rule.severity.weight)[:MOST_CRITERIA]
    if not chosen:
        return None
    return _drafted(
        Source.WORLD,
        f"{world.reference} tests these rules on questions of its own only; here your own traffic is held to them.",
        key="conduct",
        name="Conduct",
        text=f"Keep to the rules of {world.title}.",
        weight=1,
        criteria=[rule.text for rule in chosen],
    )


def _drafted(
    source: Source,
    reason: str,
    *,
    key: str,
    name: str,
    text: str,
    weight: float,
    evaluator: dict[str, Any] | None = None,
    criteria: Sequence[str] = (),
    guidance: str | None = None,
    minimum: float | None = None,
) -> DraftedDimension:
    judge: dict[str, Any] = {"kind": "llm_judge"}
    if criteria:
        judge["criteria"] = [{"id": f"c{number}", "text": criterion} for number, criterion in enumerate(criteria, 1)]
    dimension = Dimension.model_validate(
        {
            "key": key,
            "name": name,
            "description": text,
            "weight": weight,
            "evaluator": evaluator or judge,
            "guidance": guidance,
            "minimum": minimum,
        }
    )
    return DraftedDimension(dimension=dimension, source=source, reason=reason)


def _checked(source: Source, reason: str, **fields: Any) -> Iterator[DraftedDimension]:
    """The dimension if its evaluator accepts the parameters, which an agent's own schema may not allow."""
    try:
        yield _drafted(source, reason, **fields)
    except ValidationError:
        return


def is_judged(item: DraftedDimension) -> bool:
    """Whether a model has to judge it."""
    return isinstance(item.dimension.evaluator, LlmJudge)


def _percentile(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def _rounded_up(value: float) -> float:
    """Up to two significant digits."""
    if value <= 0:
        return 1e-6
    step: float = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(f"{math.ceil(value / step - 1e-9) * step:.12g}")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_LONGEST_STATEMENT]


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None
