"""Asking a model in the best form that it takes: how JSON is asked for, and which parameters it lets itself be given.

Endpoints differ in both, and say so only by refusing. What a model was found to take is remembered for as long as its provider is
open, so that a scan pays for finding out once.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from enum import IntEnum

import re2

from spectral_platform.llm.errors import ProviderRejected, RequestNotUnderstood
from spectral_platform.llm.messages import ModelAnswer, ModelRequest

OPTIONAL = ("temperature", "top_p", "seed", "stop")
"""Parameters that an answer can do without; some models take no other value than their own."""
_NAMED = {name: re2.compile(rf"(?:^|[^a-z_]){name}(?:[^a-z_]|$)") for name in OPTIONAL}


class Rung(IntEnum):
    """How structured output is asked for; an endpoint that refuses one rung is asked on the next."""

    JSON_SCHEMA = 0
    JSON_OBJECT = 1
    PLAIN = 2


class Ladder:
    """What each model of one provider was found to take."""

    def __init__(self) -> None:
        self._rungs: dict[str, Rung] = {}
        self._refused: defaultdict[str, set[str]] = defaultdict(set)

    async def climb(self, request: ModelRequest, ask: Callable[[ModelRequest, Rung], Awaitable[ModelAnswer]]) -> ModelAnswer:
        """Ask on the first rung that the model takes, without the parameters that it refuses by name.

        Raises what ``ask`` raises; ``RequestNotUnderstood`` only from the last rung.
        """
        rung = Rung.PLAIN if request.json_schema is None else self._rungs.get(request.model, Rung.JSON_SCHEMA)
        while True:
            sent = self._without_refused(request)  # by itself, because another call may find out more before this one is refused
            try:
                answer = await ask(sent, rung)
            except RequestNotUnderstood as refusal:
                named = self._named_by(refusal, sent)
                if named is not None:
                    self._refused[request.model].add(named)
                elif rung is Rung.PLAIN:
                    raise
                else:
                    rung = Rung(rung + 1)
            else:
                if request.json_schema is not None:
                    self._rungs[request.model] = rung
                return answer

    def _without_refused(self, request: ModelRequest) -> ModelRequest:
        refused = self._refused[request.model]
        return request.model_copy(update={name: () if name == "stop" else None for name in refused}) if refused else request

    def _named_by(self, refusal: RequestNotUnderstood, sent: ModelRequest) -> str | None:
        """A parameter that was sent and that the refusal names.

        Of several the one that matters least: some models take temperature or top_p, only not both.
        """
        text = refusal.detail.lower()
        given = [name for name in OPTIONAL if getattr(sent, name) not in (None, ())]
        return next((name for name in reversed(given) if _NAMED[name].search(text)), None)


def check_extra(request: ModelRequest, reserved: frozenset[str]) -> None:
    """Raise ``ProviderRejected`` if a config's extra parameters set what is ours to set, such as the cap that bounds cost."""
    clash = sorted(reserved & request.extra.keys())
    if clash:
        raise ProviderRejected(f"The config's extra parameters may not set {', '.join(clash)}.")
