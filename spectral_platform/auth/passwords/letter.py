"""What people read when a password is to be changed, or was."""

import json

RESET_PATH = "/api/v1/auth/reset-password"


def reset_letter(token: str, *, public_url: str | None, minutes: int) -> str:
    """How to set a new password. Only the operator's word says where the server is: a request could name any host."""
    body = json.dumps({"token": token, "new_password": "..."})
    if public_url is None:
        way = f"Send this to your Spectral server, with a password of your choice:\n\nPOST {RESET_PATH}\n{body}"
    else:
        url = public_url.rstrip("/") + RESET_PATH
        way = f"Send this, with a password of your choice:\n\ncurl -X POST {url} -H 'Content-Type: application/json' -d '{body}'"
    return (
        "Somebody asked to set a new password for your Spectral login.\n\n"
        f"{way}\n\n"
        f"The token works once and for {minutes} minutes; it ends every session of yours.\n"
        "If it was not you, there is nothing to do: without this letter nobody can change your password.\n"
    )


CHANGED_LETTER = (
    "The password of your Spectral login was changed just now.\n\n"
    "If it was not you, set a new one at once with POST /api/v1/auth/reset-password, and tell your administrator.\n"
)
