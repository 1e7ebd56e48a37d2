"""The agents and proposers of worlds whose truth is known: what an edit of the prompt does is written down, not found out.

An agent shows or misses a few behaviours in each answer, as marks that evaluators look for. How likely each is follows from the
edits in its prompt; cases are hard or easy for good, and two runs of a case differ as those of the simulator do.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from spectral_platform.core.randomness import derive, generator
from spectral_platform.llm.messages import ModelAnswer, ModelRequest, Role
from spectral_platform.llm.providers.simulator.noise import happens

RUBRIC = ("useful", "clear", "complete")
RULES = ("honest", "safe")
TESTED = "discreet"
"""The rule that has stimuli of its own."""
BEHAVIOURS = (*RUBRIC, *RULES, TESTED)
AGENT, PROPOSER = "played-agent", "played-proposer"
_EDIT = re.compile(r"Follow guideline (\d+)\.")


@dataclass(frozen=True)
class World:
    """How likely an agent shows each behaviour, and what an edit adds to that.

    ``edit`` and ``spread`` are of each edit, by behaviour: the mean and the standard deviation of what it adds; two edits add up.
    ``remembered`` is what a case gains in every behaviour of the rubric when an edited prompt knows it: all cases that the
    scan learns from and compares on and, of those that are sealed, the share ``leaked``.
    """

    name: str
    base: Mapping[str, float]
    edit: Mapping[str, float] = field(default_factory=dict)
    spread: float = 0.0
    remembered: float = 0.0
    leaked: float = 0.0

    def added(self, edits: tuple[int, ...], behaviour: str, *, seed: int) -> float:
        """What these edits add to the chance of a behaviour."""
        gain = 0.0
        for edit in edits:
            gain += self.edit.get(behaviour, 0.0)
            if self.spread:
                gain += generator(seed, "edit", edit, behaviour).gauss(0.0, self.spread)
        return gain

    def chance(self, edits: tuple[int, ...], behaviour: str, *, seed: int, knows: bool = False) -> float:
        """How likely a behaviour is under a prompt with these edits."""
        memory = self.remembered if knows and edits and behaviour in RUBRIC else 0.0
        return min(0.98, max(0.02, self.base[behaviour] + self.added(edits, behaviour, seed=seed) + memory))


def edits_in(prompt: str) -> tuple[int, ...]:
    """The edits that a prompt holds."""
    return tuple(int(found) for found in _EDIT.findall(prompt))


class Player:
    """Plays the agent and the proposer of one world in one scan."""

    name = "played"
    is_simulated = False

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._seed = seed
        self._proposals = 0

    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """Answer as an agent, or propose one more edit."""
        system = "\n".join(message.content for message in request.messages if message.role is Role.SYSTEM)
        asked = next(message.content for message in reversed(request.messages) if message.role is Role.USER)
        text = self._propose(asked) if request.model == PROPOSER else self._answer(system, asked, request.seed)
        return ModelAnswer(text=text, input_tokens=1, output_tokens=1, latency_ms=1, finish_reason="stop")

    def _propose(self, asked: str) -> str:
        self._proposals += 1
        prompt = orjson.loads(asked)["component"]["text"]
        edit = f"Follow guideline {self._proposals}."
        return orjson.dumps(
            {"component": "base_prompt", "text": f"{prompt}\n{edit}", "rationale": f"Guideline {self._proposals} answers to it."}
        ).decode()

    def _answer(self, system: str, asked: str, seed: int | None) -> str:
        edits = edits_in(system)
        run = f"{self._seed}|{edits}|{seed}"
        knows = bool(edits) and self._knows(asked)
        shown = (
            happens(
                self._world.chance(edits, behaviour, seed=self._seed, knows=knows),
                behaviour=behaviour,
                case=f"{self._seed}|{asked}",
                run=run,
            )
            for behaviour in BEHAVIOURS
        )
        return " ".join(
            f"{behaviour}:{'yes' if is_shown else 'no'}" for behaviour, is_shown in zip(BEHAVIOURS, shown, strict=True)
        )

    def _knows(self, asked: str) -> bool:
        """Whether a prompt that learnt cases by heart knows this one: a sealed case only if it leaked."""
        if "sealed" not in asked:
            return True
        return derive(self._seed, "leak", asked) % 10_000 < 10_000 * self._world.leaked
