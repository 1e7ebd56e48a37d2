"""Bodies of the API keys' endpoints."""

from uuid import UUID

from pydantic import ConfigDict, Field, computed_field

from spectral_api.schemas import Input, Output, Time
from spectral_platform.core.access import DEFAULT_KEY_SCOPES, Scope
from spectral_platform.core.values import Moment


class KeyCreate(Input):
    """A new API key."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "CI Pipeline"}]})

    name: str = Field(description="What the key is for.", min_length=1, max_length=200, examples=["CI Pipeline"])
    scopes: list[Scope] = Field(
        default=list(DEFAULT_KEY_SCOPES),
        min_length=1,
        description="What the key may do; `read:workspace` and `write:workspace` can be added.",
    )
    expires_at: Moment | None = Field(default=None, description="When it stops working; null = never.")


class Key(Output):
    """An API key, without its secret."""

    id: UUID = Field(description="The key.")
    name: str = Field(description="What the key is for.", examples=["CI Pipeline"])
    prefix: str = Field(description="How its secret begins, to recognise it by.", examples=["sk_live_Zq3f"])
    scopes: list[Scope] = Field(description="What the key may do.")
    created_at: Time = Field(description="When it was issued.")
    expires_at: Time | None = Field(description="When it stops working; null = never.")
    revoked_at: Time | None = Field(description="When it was revoked; null = it was not.")
    last_used_at: Time | None = Field(description="When it was last used, to the minute.")

    @computed_field(description="The same id under its other name.")
    @property
    def key_id(self) -> UUID:
        """The key's id under its other name."""
        return self.id


class IssuedKey(Key):
    """A new API key with its secret, shown this once."""

    key: str = Field(description="The secret. It is shown only now; the server keeps a digest.", examples=["sk_live_Zq3f…"])
