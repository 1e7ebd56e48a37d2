"""Bodies of logging in through identity providers."""

from pydantic import ConfigDict, Field

from spectral_api.schemas import Input, Output


class OAuthLogin(Output):
    """A login that was begun with a provider."""

    authorize_url: str = Field(
        description="Where to send the person.", examples=["https://accounts.google.com/o/oauth2/v2/auth?…"]
    )
    state: str = Field(description="What has to come back with them; compare it before you send it on.", examples=["yQ2f…"])


class Callback(Input):
    """What a provider sent the person back with."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"provider": "google", "code": "4/0AX4…", "state": "yQ2f…"}]})

    provider: str = Field(description="The provider that the login was begun with.", max_length=100, examples=["google"])
    code: str = Field(description="The code from the provider.", min_length=1, max_length=4000)
    state: str = Field(description="The state from the provider.", min_length=1, max_length=200)
