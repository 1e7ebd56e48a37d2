"""The simulated agent: which behaviours its system prompt makes likely, which show in this run, and the text they give.

It reads nothing but the chat and the request's parameters, as a model behind an endpoint would.
"""

import re
from collections.abc import Mapping

from spectral_platform.core.remembering import remembered
from spectral_platform.llm.messages import ModelRequest, Role
from spectral_platform.llm.providers.simulator.composing import Writer
from spectral_platform.llm.providers.simulator.concepts import BEHAVIOURS, Behaviour, Stance, read_prompt
from spectral_platform.llm.providers.simulator.noise import happens, uniform
from spectral_platform.llm.providers.simulator.reading import REMEMBERED, digest, read_chat
from spectral_platform.llm.providers.simulator.structured import as_json
from spectral_platform.llm.watermark import marked

DILUTION_FREE_WORDS = 160
DILUTION_PER_HUNDRED_WORDS = 0.03
MAX_DILUTION = 0.15
USUAL_TEMPERATURE = 0.7
FORMAT_COST = 0.06
"""What an instruction on form costs in grounding: attention goes to the form."""

_CONCISE_TO_THE_BONE = re.compile(r"\b(?:extremely|as short as|one sentence|few words|very (?:short|brief))", re.I)
_WANTS_JSON = re.compile(r"\bjson\b", re.I)
_SHOWN_BY_EXAMPLES = {
    "cites": re.compile(r"\[[A-Za-z]+-\d+\]|\bsource:", re.I),
    "next_step": re.compile(r"\bnext step", re.I),
    "warm": re.compile(r"\b(?:hello|hi|thank)", re.I),
    "complete": re.compile(r"(?:[.!?]\s+[^\s].*){2,}", re.S),
    "admits_unknown": re.compile(r"\b(?:do not|don't) (?:know|have)", re.I),
}


def answer_as_agent(request: ModelRequest, *, tier_penalty: float) -> str:
    """The agent's text, with the watermark, before any cut at the token limit."""
    reading = read_chat(request.messages)
    chances = propensities(reading.instructions, reading.examples, temperature=request.temperature, tier_penalty=tier_penalty)
    case = reading.concern.digest
    run = digest(_system_prompt(request), request.model, request.temperature, request.top_p, request.seed, *reading.examples)

    shown: dict[str, bool] = {}

    def shows(behaviour: str) -> bool:
        if behaviour not in shown:
            shown[behaviour] = happens(chances[behaviour], behaviour=behaviour, case=case, run=run)
        return shown[behaviour]

    def pick(kind: str, options: tuple[str, ...]) -> str:
        return options[int(uniform("wording", case, run, kind) * len(options))]

    text = Writer(reading, shows, pick).write()
    if request.json_schema is not None or _WANTS_JSON.search(reading.instructions):
        text = as_json(text, request.json_schema, is_valid=shows("valid_json"), pick=pick)
    for stop in request.stop:
        text = text.split(stop)[0]
    return marked(text)


@remembered(REMEMBERED)
def propensities(
    instructions: str, examples: tuple[str, ...], *, temperature: float | None, tier_penalty: float
) -> Mapping[str, float]:
    """How likely each behaviour is under this prompt, these examples and parameters."""
    stances = read_prompt(instructions)
    words = len(instructions.split())
    dilution = DILUTION_PER_HUNDRED_WORDS * max(0, words - DILUTION_FREE_WORDS) / 100
    heat = max(0.0, (temperature if temperature is not None else USUAL_TEMPERATURE) - USUAL_TEMPERATURE)
    penalty = min(MAX_DILUTION, dilution) + 0.15 * heat + tier_penalty
    chances = {}
    for behaviour in BEHAVIOURS:
        stance = stances[behaviour.key]
        if stance is Stance.SILENT and _is_shown(behaviour.key, examples):
            stance = Stance.SHOWN
        chances[behaviour.key] = _base(behaviour, stance) - behaviour.sensitivity * penalty
    if stances["formatted"] is Stance.INSTRUCTED:
        chances["grounded"] -= FORMAT_COST
    if stances["concise"] is Stance.INSTRUCTED:
        is_extreme = _CONCISE_TO_THE_BONE.search(instructions) is not None
        chances["complete"] *= 0.1 if is_extreme else 0.6
        for key in ("cites", "admits_unknown", "honest_about_actions", "refers_to_professionals"):
            chances[key] -= 0.45 if is_extreme else 0.0
    return chances


def _base(behaviour: Behaviour, stance: Stance) -> float:
    match stance:
        case Stance.SILENT:
            return behaviour.silent
        case Stance.SHOWN:
            return (behaviour.silent + behaviour.instructed) / 2
        case Stance.INSTRUCTED:
            return behaviour.instructed
        case Stance.FORBIDDEN:
            return behaviour.forbidden


def _is_shown(behaviour: str, examples: tuple[str, ...]) -> bool:
    pattern = _SHOWN_BY_EXAMPLES.get(behaviour)
    return pattern is not None and 2 * sum(pattern.search(text) is not None for text in examples) > len(examples)


def _system_prompt(request: ModelRequest) -> str:
    return "\n".join(message.content for message in request.messages if message.role is Role.SYSTEM)
