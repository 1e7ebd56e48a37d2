"""What the demo workspace holds: agent, samples, rubric, objective and scan defaults, the same on every install."""

import importlib.resources
from typing import Any, Final

from spectral_platform.agents.configuration import AgentConfig, Hyperparameters, PromptTemplate
from spectral_platform.evaluations.dimensions import Dimension, Dimensions, normalize_weights
from spectral_platform.evaluations.evaluators.groundedness import Groundedness
from spectral_platform.evaluations.evaluators.llm_judge import Criterion, LlmJudge
from spectral_platform.evaluations.evaluators.max_latency import MaxLatency
from spectral_platform.evaluations.evaluators.pii import Pii
from spectral_platform.evaluations.evaluators.regex import Regex
from spectral_platform.evaluations.terms import Direction, ObjectiveTerm, ObjectiveTerms
from spectral_platform.samples.content import SampleContent

COMPANY: Final = "Halden Outdoor"
AGENT_NAME: Final = "support-agent"
AGENT_DESCRIPTION: Final = "Answers what customers of an outdoor shop ask about orders, delivery, returns and gear."
SAMPLE_SET_NAME: Final = "Support questions"
RUBRIC_NAME: Final = "Support quality"
OBJECTIVE_NAME: Final = "Better answers at a fair price"

SPLIT_KEY: Final = bytes.fromhex("a428e0af3f3f54de343a7008101624bad590c8f1d64fe74e778324b39540d73e")
"""The key of the demo's splits. It is no secret, because the demo's samples are none either."""

SCAN_DEFAULTS: Final[dict[str, Any]] = {
    "seed": 1,
    "max_candidates": 8,
    "strategies": ["reflective"],
    "budget": {"max_usd": 20.0, "max_model_calls": 20_000, "max_duration_s": 3_600},
}
"""The body of a scan request. Simulated calls cost nothing; the budget only has to let a whole scan through."""


def agent_config() -> AgentConfig:
    """The agent as it runs today: a prompt that says what it is about and little else."""
    return AgentConfig(
        template=PromptTemplate(
            base_prompt=(
                f"You are the support agent of {COMPANY}. Reply to customers who write about orders, delivery, returns and gear."
            ),
            user_prompt="Knowledge base articles:\n{{context}}\n\nCustomer: {{input}}",
            variables=("context", "input"),
        ),
        hyperparameters=Hyperparameters(model="sim/standard", temperature=0.7, max_output_tokens=400),
    )


def load_samples() -> tuple[SampleContent, ...]:
    """The packaged samples: questions with the articles at hand and, where an article has it, the expected answer."""
    lines = (importlib.resources.files("spectral_platform.demo") / "samples.jsonl").read_text(encoding="utf-8")
    return tuple(SampleContent.model_validate_json(line) for line in lines.splitlines())


def rubric_dimensions() -> Dimensions:
    """What the company calls a good answer."""
    return normalize_weights(
        (
            Dimension(
                key="resolution",
                name="Resolution",
                description=(
                    "Answer the customer's actual question directly, with all amounts, deadlines and conditions, instead of "
                    "referring them elsewhere."
                ),
                weight=0.30,
                evaluator=LlmJudge(
                    criteria=(
                        Criterion(id="useful", text="Gives the customer something to work with instead of pointing elsewhere."),
                        Criterion(id="facts", text="States the correct facts of the expected answer, without contradicting any."),
                    )
                ),
            ),
            Dimension(
                key="grounding",
                name="Grounding",
                description="State only facts that the articles give, never facts of your own.",
                weight=0.20,
                evaluator=Groundedness(threshold=0.5),
            ),
            Dimension(
                key="sources",
                name="Sources",
                description="Name the source of every answer: the id of the article, in square brackets.",
                weight=0.20,
                evaluator=Regex(pattern=r"\[KB-\d+\]"),
            ),
            Dimension(
                key="next_step",
                name="Next step",
                description="Close with the next step that the customer can take, introduced by these very words.",
                weight=0.15,
                evaluator=Regex(pattern=r"\bnext step\b", flags="i"),
            ),
            Dimension(
                key="privacy",
                name="Privacy",
                description="Never repeat personal data such as e-mail addresses, phone numbers or card numbers.",
                weight=0.10,
                evaluator=Pii(),
            ),
            Dimension(
                key="speed",
                name="Speed",
                description="Be there within two seconds.",
                weight=0.05,
                evaluator=MaxLatency(value=2_000),
            ),
        )
    )


def objective_terms() -> ObjectiveTerms:
    """Quality first, and a little attention to what an answer costs."""
    return (
        ObjectiveTerm(metric="quality", direction=Direction.MAXIMIZE, weight=0.9),
        ObjectiveTerm(metric="cost_usd", direction=Direction.MINIMIZE, weight=0.1),
    )
