"""When a search was adequate, so that nothing found may mean that there is nothing to find."""

from uuid import uuid4

import pytest

from spectral_platform.demo import content
from spectral_platform.optimizers.edits import Candidate, Component, Strategy
from spectral_platform.scans.headroom import Headroom
from spectral_platform.scans.phases.safety import is_search_adequate
from spectral_platform.scans.run import Contender, Findings
from spectral_platform.scans.settings import PinnedAgent
from tests.scans.test_attribution import cluster

ONE, OTHER = (PinnedAgent(agent_id=uuid4(), name=name, base_version=1) for name in ("one", "other"))
NO_HEADROOM = Headroom(failed=9, cases=20, failure_rate=(0.2, 0.7), failures=9, addressable=9, probed=20, gain=-0.01)


def contender(position: int, agent: PinnedAgent = ONE, *, signature: str | None = "sources", fate: str = "no_gain") -> Contender:
    candidate = Candidate(
        key=str(position),
        parent_key="base",
        strategy=Strategy.REFLECTIVE,
        component=Component.BASE_PROMPT,
        config=content.agent_config(),
        rationale="It may help.",
        cluster_signature=signature,
    )
    return Contender(agent=agent, candidate=candidate, position=position, fate=fate)


def found(*contenders: Contender) -> Findings:
    return Findings(contenders=list(contenders), clusters={agent.agent_id: (cluster("sources", "a"),) for agent in (ONE, OTHER)})


def test_a_cluster_of_one_agent_is_not_answered_by_a_candidate_of_another() -> None:
    of_one = [contender(position) for position in range(6)]

    assert not is_search_adequate(found(*of_one))
    assert is_search_adequate(found(*of_one, contender(6, OTHER)))


@pytest.mark.parametrize("fate", ["invalid", "out_of_budget", "unmeasured"])
def test_what_was_never_compared_is_no_search(fate: str) -> None:
    tried = [contender(position, agent) for position, agent in enumerate((ONE, ONE, ONE, ONE, OTHER))]

    assert not is_search_adequate(found(*tried, contender(5, fate=fate)))
    assert is_search_adequate(found(*tried, contender(5)))


def test_without_headroom_few_candidates_are_enough_unless_the_search_was_cut_short() -> None:
    few = found(contender(0, signature=None))
    few.headroom = {agent.agent_id: NO_HEADROOM for agent in (ONE, OTHER)}

    assert is_search_adequate(few)
    few.is_cut_short = True
    assert not is_search_adequate(few)
    few.is_cut_short, few.proposer_errors = False, 1
    assert not is_search_adequate(few)
