"""What a scan found about one failure cluster."""

from enum import StrEnum
from uuid import UUID

from pydantic import AwareDatetime, Field

from spectral_platform.changesets.clusters.categories import Category
from spectral_platform.core.values import Value

LONGEST_FEEDBACK = 500


class Addressable(StrEnum):
    """What would have to change for a failure to go away."""

    PROMPT = "prompt"
    """The prompt says nothing of what is asked for."""
    TOOL = "tool"
    """A tool fails, or is used wrongly."""
    DATA = "data"
    """What should have been looked up is not there."""
    MODEL = "model"
    """The prompt asks for it already, and the model does not do it."""


class SeverityCard(Value):
    """How bad a cluster is, how sure that is, and who can do something about it."""

    failures: int = Field(default=0, description="Failed criteria in it; a case can fail several.")
    train_cases: int = Field(default=0, description="Training cases in it.")
    traces: int = Field(default=0, description="Traces of the scan's window in it.")
    share_interval: tuple[float, float] = Field(default=(0.0, 1.0), description="95 % Wilson interval of its share.")
    share_change: float | None = Field(
        default=None, description="Its share now less its share in the scan before that saw it; null = seen for the first time."
    )
    authority_a_loss: float | None = Field(
        default=None, description="Mean loss of its training cases by the domain standard; null = not scored."
    )
    authority_b_loss: float | None = Field(
        default=None, description="Mean loss of its training cases by the rubric; null = not scored."
    )
    cost_share: float | None = Field(
        default=None, description="Share of its cases and traces in what all that were looked at cost; null = no cost is known."
    )
    addressable: Addressable = Field(
        default=Addressable.PROMPT, description="What would have to change: the prompt, a tool, the data or the model."
    )
    category: Category = Field(default=Category.UNDETERMINED, description="What kind of failure it looks like; a guess.")
    stability: float | None = Field(
        default=None,
        description="Mean overlap (Jaccard) with its best match when 80 % of the failures are clustered anew; below .6 the "
        "cluster is tentative; null = too few failures to tell.",
    )
    criteria: tuple[str, ...] = Field(default=(), description="What at least half of its failures have in common.")
    terms: tuple[str, ...] = Field(default=(), description="Words that tell it from the other clusters.")


class FailureFinding(Value):
    """One failure of a cluster: where it happened and what failed.

    ``key`` names it; ``likeness`` is the same for failures that read the same, in whichever scan. It happened in a training case
    or in a trace. ``home`` is the cluster by whose earlier failures it was recognised, where that is not the one which shows it.
    """

    key: str = Field(min_length=1)
    likeness: str = Field(min_length=1)
    case_key: str | None = None
    trace_id: str | None = None
    criterion: str
    feedback: str = Field(max_length=LONGEST_FEEDBACK)
    severity: float = Field(ge=0, le=1)
    home: UUID | None = None

    @property
    def place(self) -> str:
        """The case or the trace."""
        return self.case_key or self.trace_id or ""


class ClusterFinding(Value):
    """A failure cluster as one scan saw it. ``cluster_id`` is that of the known cluster which it is; None is a new one."""

    signature: str = Field(min_length=1, max_length=200)
    label: str = Field(min_length=1)
    description: str
    size: int = Field(ge=1, description="Failed cases and traces in it.")
    share: float = Field(ge=0, le=1, description="Share of all failures.")
    severity: float = Field(ge=0, le=1, description="Mean loss of its failures.")
    exemplar_cases: tuple[str, ...] = Field(default=(), description="Keys of typical training cases.")
    exemplar_trace_ids: tuple[str, ...] = Field(default=(), description="Typical traces.")
    agent_id: UUID | None = None
    cluster_id: UUID | None = None
    fingerprint: tuple[str, ...] = ()
    card: SeverityCard = SeverityCard()
    failures: tuple[FailureFinding, ...] = ()


class TrendPoint(Value):
    """How large a cluster was in one scan."""

    scan_id: UUID = Field(description="The scan that saw it.")
    at: AwareDatetime = Field(description="When the scan had its findings.")
    size: int = Field(description="Failed cases and traces in it.")
    share: float = Field(description="Share of all failures.")
