"""Why a changeset says what it says: a summary, the log of decisions, the evidence behind the verdict, and its limits."""

from typing import Self

from pydantic import AwareDatetime, Field, JsonValue, model_validator

from spectral_platform.core.values import Value

NO_CHANGES_WARRANTED = "No changes warranted"
"""The whole summary of a changeset that validates what is there."""


class Decision(Value):
    """One decision on the way, by the scan or by a person; ``evidence`` names entries of the verdict evidence."""

    at: AwareDatetime = Field(description="When it was taken.")
    actor: str = Field(min_length=1, description="Who took it: `scan`, `system`, or `user:` and an id.")
    entry: str = Field(min_length=1, description="What was decided and why.")
    phase: str | None = Field(default=None, description="The scan's phase in which it was taken; null = after the scan.")
    strategy: str | None = Field(default=None, description="The strategy whose candidate it is about, if it is about one.")
    candidate: str | None = Field(default=None, description="The candidate it is about, if it is about one.")
    evidence: tuple[str, ...] = Field(default=(), description="Keys of the verdict evidence that it rests on.")


class Evidence(Value):
    """One statement that the verdict rests on, with its figures."""

    key: str = Field(min_length=1, description="Its name within the changeset.")
    statement: str = Field(min_length=1, description="What was found, in one sentence.")
    figures: dict[str, JsonValue] = Field(default_factory=dict, description="The figures behind it, by name.")


class Explainability(Value):
    """The explanation that every changeset carries. Each reference in the decision log has its evidence."""

    summary: str = Field(min_length=1, description="What is proposed and why, for people.")
    decision_log: tuple[Decision, ...] = Field(description="Decisions in the order in which they were taken.")
    verdict_evidence: tuple[Evidence, ...] = Field(description="What the verdict rests on.")
    limitations: tuple[str, ...] = Field(description="What the evidence does not show.")

    @model_validator(mode="after")
    def _references_resolve(self) -> Self:
        known = {evidence.key for evidence in self.verdict_evidence}
        if unknown := sorted({key for decision in self.decision_log for key in decision.evidence} - known):
            raise ValueError(f"the decision log rests on evidence that is not there: {', '.join(unknown)}")
        return self

    def decided(self, decision: Decision) -> Self:
        """The same with one more decision at the end of the log."""
        return self.model_copy(update={"decision_log": (*self.decision_log, decision)})
