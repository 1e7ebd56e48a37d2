"""A worker from the command line."""

import os
import sys

import typer

from spectral_api.cli.configuring import DatabaseUrl, DataDir, Misconfigured, configure, failures_told
from spectral_api.workers import WORKER_COMMAND
from spectral_platform.core import embedded, schema

application = typer.Typer()


@application.command()
@failures_told()
def worker(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Run one more worker, on the database of a running server."""
    settings = configure(data_dir=data_dir, database_url=database_url)
    url = settings.database_url or schema.application_login(embedded.join(settings.data_dir))
    if not settings.has_secret:
        raise Misconfigured(
            "A worker needs the secret of its server, else it opens nothing that the server sealed: set SPECTRAL_SECRET_KEY, "
            "or --data-dir to the server's."
        )
    os.execve(sys.executable, WORKER_COMMAND, settings.environment_of_child(database_url=url))
