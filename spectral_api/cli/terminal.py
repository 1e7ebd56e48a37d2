"""What every command shares: where it writes, and how it ends."""

import sys

from rich.console import Console

FAILED = 1
MISCONFIGURED = 2
UNWANTED = 3
INTERRUPTED = 130

output = Console(soft_wrap=True, highlight=False)
errors = Console(stderr=True, soft_wrap=True, highlight=False)


class Failed(Exception):
    """Ends a command with one message, and with a status."""

    status = FAILED


def refuse(message: str, status: int) -> None:
    """Say what is wrong and end."""
    errors.print(f"spectral: {message.strip()}", markup=False)
    sys.exit(status)
