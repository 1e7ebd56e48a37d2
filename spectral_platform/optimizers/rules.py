"""The model-free strategy: the feedback of the criteria that failed most often becomes instruction lines."""

from collections import Counter
from collections.abc import Collection, Iterable

from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.optimizers.edits import Candidate, Component, Edit, Strategy, candidate_from
from spectral_platform.optimizers.reflection import CriterionFeedback


def propose_rule(
    parent: AgentConfig,
    failures: Iterable[CriterionFeedback],
    *,
    skip: Collection[str] = (),
    cluster_signature: str | None = None,
) -> Candidate | None:
    """A candidate with one more instruction line, for the criterion that failed most often and is not in ``skip``.

    The line is the criterion's requirement, or, where it has none, its commonest feedback. None when nothing failed.
    """
    failed = [item for item in failures if not item.passed and item.criterion not in skip]
    if not failed:
        return None
    counts = Counter(item.criterion for item in failed)
    criterion = min(counts, key=lambda key: (-counts[key], key))
    edit = Edit(
        component=Component.BASE_PROMPT,
        text=f"{parent.template.base_prompt.rstrip()}\n- {_instruction(criterion, failed)}",
        rationale=f"{counts[criterion]} training answers failed [{criterion}]; the prompt now says what it asks for.",
    )
    return candidate_from(parent, edit, strategy=Strategy.RULES, cluster_signature=cluster_signature)


def _instruction(criterion: str, failed: Iterable[CriterionFeedback]) -> str:
    sentences = Counter(item.requirement or item.feedback for item in failed if item.criterion == criterion)
    sentence, _ = sentences.most_common(1)[0]
    return " ".join(sentence.split())
