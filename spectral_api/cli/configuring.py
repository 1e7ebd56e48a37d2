"""What the commands of operators share: the settings, and what is told when these or the database are not as they should be."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer
from psycopg.errors import DiskFull, InsufficientPrivilege
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from sqlalchemy.exc import ArgumentError, OperationalError, ProgrammingError

from spectral_api.cli.terminal import MISCONFIGURED, Failed
from spectral_platform.core.database import driver_url
from spectral_platform.core.logging import configure_logging
from spectral_platform.core.settings import Settings
from spectral_platform.core.signing import SigningKeysUnusable

DataDir = Annotated[Path | None, typer.Option(help="Where the server keeps its data, the embedded Postgres included.")]
DatabaseUrl = Annotated[str | None, typer.Option(help="Postgres to use instead of the embedded one.")]


class Misconfigured(Failed):
    """The settings are not ones that Spectral can run with."""

    status = MISCONFIGURED


def configure(**options: Any) -> Settings:
    """The settings: the options that were given, then the environment, then the defaults."""
    try:
        settings = Settings(**{name: value for name, value in options.items() if value is not None})
        if settings.database_url is not None:
            driver_url(settings.database_url)
    except ValidationError as mistakes:
        raise Misconfigured("\n".join(map(explain, mistakes.errors()))) from mistakes
    except (ArgumentError, ValueError) as mistake:
        raise Misconfigured(str(mistake)) from mistake
    configure_logging(settings)
    return settings


def explain(mistake: ErrorDetails) -> str:
    """What is wrong with one setting."""
    name = "".join(f"SPECTRAL_{str(part).upper()}: " for part in mistake["loc"][:1])
    return name + mistake["msg"].removeprefix("Value error, ")


@contextmanager
def failures_told() -> Iterator[None]:
    """Raise what may be wrong with a database or with keys as ``Failed``, in words for operators."""
    try:
        yield
    except (OperationalError, psycopg.OperationalError) as error:
        cause = getattr(error, "orig", error)
        trouble = "the disk of the database is full" if isinstance(cause, DiskFull) else "the database does not answer"
        raise Failed(f"{trouble}: {cause}") from error
    except ProgrammingError as error:
        if not isinstance(error.orig, InsufficientPrivilege):
            raise
        raise Failed(f"the database refuses: {error.orig}") from error
    except SigningKeysUnusable as error:
        raise Failed(str(error)) from error
