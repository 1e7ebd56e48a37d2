"""The kinds of policies, and what they have in common."""

from enum import StrEnum
from typing import ClassVar

from spectral_platform.core.crypto import content_digest
from spectral_platform.core.values import Value


class PolicyKind(StrEnum):
    """What a policy decides."""

    RETENTION = "retention"
    MASKING = "masking"
    PRICES = "prices"
    AUTONOMY = "autonomy"


class Policy(Value):
    """One policy of a workspace. Without arguments it is what holds where the workspace has decided nothing."""

    kind: ClassVar[PolicyKind]

    @property
    def fingerprint(self) -> str:
        """A digest of everything that it says."""
        return content_digest(self.kind, self.model_dump_json())
