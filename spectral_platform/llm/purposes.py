"""What a model call is for; each purpose may be served by a model of its own."""

from enum import StrEnum


class Purpose(StrEnum):
    """The eight purposes of a model call, as the ledger and the model profiles name them."""

    SCORING = "scoring"
    DETECTION = "detection"
    REASONING = "reasoning"
    AGENT_TURN = "agent_turn"
    AGENT_TOOL = "agent_tool"
    CUSTOMER_REPLAY = "customer_replay"
    WORLD_AGENT = "world_agent"
    EMBEDDING = "embedding"
