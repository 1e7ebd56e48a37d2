"""Headroom: what there is for a prompt to gain."""

from pydantic import Field

from spectral_platform.core.values import Value


class Headroom(Value):
    """What there is for a prompt to gain."""

    failed: int = Field(description="Training cases that the baseline fails.")
    cases: int = Field(description="Training cases that it answered.")
    failure_rate: tuple[float, float] = Field(description="Where the share of failed cases lies, with 95 % confidence.")
    failures: int = Field(description="Failed criteria, over all those cases.")
    addressable: int = Field(description="Of these, how many ask for what the prompt never mentions.")
    probed: int = Field(description="Dev cases that the probe ran on: the prompt with every failed criterion as a line.")
    gain: float | None = Field(description="The mean change of the composite there; null = nothing was probed.")

    @property
    def is_negative(self) -> bool:
        """Whether even that prompt gains nothing: a search is then expected to find nothing either."""
        return self.gain is not None and self.gain <= 0
