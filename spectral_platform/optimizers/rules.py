"""The model-free strategy: the feedback of the criteria that failed most often becomes instruction lines."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.optimizers.edits import Candidate, Component, Edit, Strategy, candidate_from
from spectral_platform.optimizers.reflection import CriterionFeedback

_QUOTED = re.compile(r"[\"“«'`][^\"”»'`]*[\"”»'`]")


def propose_rule(
    parent: AgentConfig,
    failures: Iterable[CriterionFeedback],
    *,
    instructions: dict[str, str],
    skip: Sequence[str] = (),
    cluster_signature: str | None = None,
) -> Candidate | None:
    """A candidate with one more instruction line, for the criterion that failed most often and is not in ``skip``.

    ``instructions`` says per criterion what an answer must do (a rule's text, a dimension's guidance); a criterion
    without an entry is stated by its commonest feedback. None when nothing failed.
    """
    failed = [item for item in failures if not item.passed and item.criterion not in skip]
    if not failed:
        return None
    counts = Counter(item.criterion for item in failed)
    criterion = min(counts, key=lambda key: (-counts[key], key))
    line = instructions.get(criterion) or _instruction(item.feedback for item in failed if item.criterion == criterion)
    edit = Edit(
        component=Component.BASE_PROMPT,
        text=f"{parent.template.base_prompt.rstrip()}\n- {line.strip()}",
        rationale=f"{counts[criterion]} training answers failed {criterion}; the prompt now says what it asks for.",
    )
    return candidate_from(parent, edit, strategy=Strategy.RULES, cluster_signature=cluster_signature)


def _instruction(feedback: Iterable[str]) -> str:
    general = Counter(_QUOTED.sub("", sentence).strip() for sentence in feedback)  # a quote belongs to one case only
    sentence, _ = general.most_common(1)[0]
    return f"Make sure that this never applies to an answer: {sentence}"
