"""The command line: run the server or a worker, migrate, examine a running server, and operators' commands."""

import errno
import gc
from importlib import import_module
from typing import Any

import httpx
import typer
from typer.core import TyperGroup

from spectral_api.cli.remote import address_of
from spectral_api.cli.terminal import FAILED, Failed, refuse
from spectral_platform.core.errors import SpectralError

MODULES = {
    "serve": "operating",
    "demo": "operating",
    "worker": "working",
    "migrate": "operating",
    "grant-operations": "operating",
    "import": "operating",
    "rotate-secrets": "operating",
    "signing-key": "operating",
    "doctor": "doctor",
    "scan": "scanning",
    "openapi": "operating",
}
"""Where each command is. Only its own module is imported for it: a server's libraries take seconds, and its clients need none."""
YOUNG_OBJECTS = 50_000
"""So many objects more, and the garbage collector looks through the new ones. Imports and spans are many, and form no cycles."""


class Commands(TyperGroup):
    """The commands, each imported when it is asked for. Typer does not export the types of its own Click."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands: Any = dict.fromkeys(MODULES)  # their names, for the help's order and for suggestions

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """One command; None where there is none of this name."""
        if cmd_name not in MODULES:
            return None
        module = import_module(f"{__name__}.{MODULES[cmd_name]}")
        return typer.main.get_group(module.application).get_command(ctx, cmd_name)


application = typer.Typer(
    name="spectral",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@application.callback()
def spectral() -> None:
    """Spectral improves AI agents and proves it. Every option is also a SPECTRAL_* environment variable."""


def main(arguments: list[str] | None = None) -> None:
    """Run a command. An operator's mistake ends it with one message and no traceback."""
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)
    try:
        application(arguments)
    except Failed as error:
        refuse(str(error), error.status)
    except OSError as error:
        if error.filename is None and error.errno != errno.ENOSPC:
            raise
        refuse(f"{error.filename or 'the data directory'}: {error.strerror}", FAILED)
    except httpx.HTTPError as error:
        refuse(f"{address_of(error)} does not answer: {error or type(error).__name__}", FAILED)
    except SpectralError as error:
        refuse(str(error), FAILED)
