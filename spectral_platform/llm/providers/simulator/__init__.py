"""The built-in simulator: text in, text out, for the agent, the judge and the proposer; reproducible and free.

It reads only the chat messages and parameters of a request, like a model behind an endpoint. How likely it is to cite,
to refuse or to keep to its documents follows from what the system prompt says (``concepts``) and from chance
(``noise``); what it answers is composed text (``composing``) that evaluators judge as they judge any other.
"""

from spectral_platform.llm.errors import ProviderRejected
from spectral_platform.llm.messages import ModelAnswer, ModelRequest
from spectral_platform.llm.providers.simulator.agent import answer_as_agent
from spectral_platform.llm.providers.simulator.judge import answer_as_judge
from spectral_platform.llm.providers.simulator.models import MODELS, Role, count_tokens, cut_to_tokens
from spectral_platform.llm.providers.simulator.noise import uniform
from spectral_platform.llm.providers.simulator.proposer import answer_as_proposer


class SimulatorProvider:
    """Answers for the models ``sim/*``."""

    @property
    def name(self) -> str:
        """The name that ledger rows carry."""
        return "simulator"

    @property
    def is_simulated(self) -> bool:
        """Always true: nothing here comes from a real model."""
        return True

    async def complete(self, request: ModelRequest) -> ModelAnswer:
        """Ask once. Raises ``ProviderRejected`` for a model that the simulator does not have."""
        return self.answer(request)

    def answer(self, request: ModelRequest) -> ModelAnswer:
        """What ``complete`` answers, for callers in a thread: nothing here waits, all of it computes."""
        model = MODELS.get(request.model)
        if request.compares:
            raise ProviderRejected("The simulator embeds nothing; without a model for embeddings, words are compared.")
        if model is None:
            raise ProviderRejected(f"The simulator has no model {request.model}; it has {', '.join(sorted(MODELS))}.")
        match model.role:
            case Role.AGENT:
                text = answer_as_agent(request, tier_penalty=model.tier_penalty)
            case Role.JUDGE:
                text = answer_as_judge(request)
            case Role.PROPOSER:
                text = answer_as_proposer(request)
        text, is_cut = cut_to_tokens(text, request.max_output_tokens)
        output_tokens = count_tokens(text)
        pace = 0.8 + 0.4 * uniform("pace", request.model_dump_json())
        return ModelAnswer(
            text=text,
            input_tokens=sum(count_tokens(message.content) + 4 for message in request.messages),
            output_tokens=output_tokens,
            latency_ms=round(pace * (model.first_token_ms + model.token_ms * output_tokens)),
            finish_reason="length" if is_cut else "stop",
        )
