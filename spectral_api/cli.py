"""The command line: run the server or a worker, migrate, examine a running server, and operators' commands."""

import asyncio
import errno
import json
import os
import shlex
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import httpx
import psycopg
import typer
from psycopg.errors import DiskFull, InsufficientPrivilege
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from rich.console import Console
from sqlalchemy.exc import ArgumentError, OperationalError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from spectral_api import doctor as diagnosis
from spectral_api import scanning, server
from spectral_api.app import create_app
from spectral_api.demonstration import DemoAccess, ensure_demo
from spectral_api.otel.rpc import ExtraMissing
from spectral_api.remote import Refused, address_of, only_workspace, open_server
from spectral_api.workers import WORKER_COMMAND
from spectral_platform.accounts import commands as accounts
from spectral_platform.changesets.states import Outcome
from spectral_platform.core import embedded, schema
from spectral_platform.core.database import Database, driver_url
from spectral_platform.core.errors import SpectralError
from spectral_platform.core.logging import configure_logging
from spectral_platform.core.postgres_binaries import EmbeddedPostgresError
from spectral_platform.core.sealed_columns import renew_sealed
from spectral_platform.core.settings import Environment, Settings
from spectral_platform.core.signing import Algorithm, SigningKeysUnusable, add_key
from spectral_platform.portability import importing
from spectral_platform.portability.exporting import seal_of
from spectral_platform.scans.states import ScanStatus
from spectral_platform.tables import metadata

FAILED = 1
MISCONFIGURED = 2
UNWANTED = 3
INTERRUPTED = 130

application = typer.Typer(
    name="spectral",
    help="Spectral improves AI agents and proves it. Every option is also a SPECTRAL_* environment variable.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
output = Console(soft_wrap=True, highlight=False)
errors = Console(stderr=True, soft_wrap=True, highlight=False)


class Misconfigured(Exception):
    """The settings are not ones that Spectral can run with."""


DataDir = Annotated[Path | None, typer.Option(help="Where the server keeps its data, the embedded Postgres included.")]
DatabaseUrl = Annotated[str | None, typer.Option(help="Postgres to use instead of the embedded one.")]


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


@application.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    public_url: Annotated[str | None, typer.Option(help="Where others reach the server, if not where it listens.")] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    workers: Annotated[int | None, typer.Option(help="How many worker processes to run beside the server.")] = None,
    environment: Annotated[Environment | None, typer.Option(help="How strict to be about configuration.")] = None,
    log_level: Annotated[Literal["debug", "info", "warning", "error"] | None, typer.Option(help="What to log.")] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Make the demo workspace, once.")] = False,
) -> None:
    """Run the server with its database and workers."""
    settings = configure(
        host=host,
        port=port,
        public_url=public_url,
        data_dir=data_dir,
        database_url=database_url,
        workers=workers,
        environment=environment,
        log_level=log_level,
    )
    server.serve(settings, demo=demo, announce=announce)


def announce(url: str, demo: DemoAccess | None) -> None:
    """Tell where the server is and what to do next."""
    if demo is not None:
        announce_demo(url, demo)
        return
    body = json.dumps({"email": "dev@test.com", "password": "devpass", "tenant_name": "Dev"})
    output.print(f"\n[bold]Spectral runs at {url}[/bold]")
    output.print(f"  API documentation   {url}/docs")
    output.print("  Next                register, then create a key and send traces:\n")
    register = f"curl -X POST {url}/api/v1/auth/register -H 'Content-Type: application/json' -d '{body}'"
    output.print(register, markup=False)
    output.print()


def announce_demo(url: str, demo: DemoAccess) -> None:
    """Tell how to come in to the demo workspace and how to start its first scan."""
    password = demo.password or "(as chosen when the demo was made)"
    output.print(f"\n[bold]Spectral runs at {url}[/bold]")
    output.print(f"  API documentation   {url}/docs")
    output.print(f"  Demo login          {demo.email}", markup=False)
    output.print(f"  Password            {password}", markup=False)
    output.print(f"  Workspace           {demo.workspace_id}")
    output.print(f"  Agent               {demo.agent_id}")
    output.print("  Next                log in and start a scan, simulated and free:\n")
    login = json.dumps({"email": demo.email, "password": password})
    output.print(
        f"TOKEN=$(curl -s -X POST {url}/api/v1/auth/login -H 'Content-Type: application/json' -d {shlex.quote(login)}"
        " | python3 -c 'import json,sys; print(json.load(sys.stdin)[\"access_token\"])')\n"
        f'curl -X POST {url}/api/v1/workspaces/{demo.workspace_id}/scans -H "Authorization: Bearer $TOKEN"'
        " -H 'Content-Type: application/json' -d '{}'",
        markup=False,
        soft_wrap=True,
    )
    output.print()


@application.command()
def demo(
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    export: Annotated[bool, typer.Option("--export", help="Print shell variables instead, for: eval.")] = False,
) -> None:
    """Make the demo workspace in the configured database, once, and tell how to come in."""
    settings = configure(data_dir=data_dir, database_url=database_url)
    with server.open_database(settings) as database:
        schema.upgrade(database)
        access = asyncio.run(ensure_demo(settings, database))
    url = server.known_url(settings)
    if export:
        export_demo(url, access)
    else:
        announce_demo(url, access)


def export_demo(url: str, demo: DemoAccess) -> None:
    """Print the way in as lines that a POSIX shell can evaluate."""
    variables = {
        "SPECTRAL_URL": url,
        "SPECTRAL_EMAIL": demo.email,
        "SPECTRAL_PASSWORD": demo.password or "",
        "SPECTRAL_WORKSPACE_ID": str(demo.workspace_id),
        "SPECTRAL_AGENT_ID": str(demo.agent_id),
    }
    for name, value in variables.items():
        output.print(f"export {name}={shlex.quote(value)}", markup=False)


@application.command()
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


@application.command()
def migrate(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Bring the database to the schema that this version needs."""
    with server.open_database(configure(data_dir=data_dir, database_url=database_url)) as url:
        schema.upgrade(url)
    output.print(f"The database is at {schema.head()}.")


@asynccontextmanager
async def session_of_owner(url: str) -> AsyncIterator[AsyncSession]:
    """A transaction in the database's own role, because the application's sees one account at a time."""
    engine = create_async_engine(driver_url(url))
    try:
        async with AsyncSession(engine) as session, session.begin():
            yield session
    finally:
        await engine.dispose()


@application.command()
def grant_operations(
    email: Annotated[str, typer.Argument(help="Somebody who is registered.")],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Make a registered person operations staff, who reach every account."""

    async def grant(url: str) -> None:
        async with session_of_owner(url) as session:
            await accounts.grant_operations(session, email=email)

    with server.open_database(configure(data_dir=data_dir, database_url=database_url)) as url:
        asyncio.run(grant(url))
    output.print(f"{email} is operations staff now.", markup=False)


@application.command(name="import")
def import_account(
    file: Annotated[Path, typer.Argument(help="What GET /api/v1/account/export gave.", exists=True, dir_okay=False)],
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Take an exported account in on an empty server: all of it, or nothing. People set new passwords; API keys keep working."""
    settings = configure(data_dir=data_dir, database_url=database_url)

    async def take_in(url: str) -> tuple[UUID, int]:
        with file.open("rb") as lines:
            async with session_of_owner(url) as session:
                return await importing.import_account(session, lines, seal_of(settings))

    with server.open_database(settings) as url:
        schema.upgrade(url)
        account_id, rows = asyncio.run(take_in(url))
    output.print(f"Account {account_id} is here now, with {rows} rows.")


@application.command()
def rotate_secrets(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Seal every kept secret under SPECTRAL_SECRET_KEY, so that SPECTRAL_PREVIOUS_SECRET_KEYS can be dropped."""
    settings = configure(data_dir=data_dir, database_url=database_url)
    with server.open_database(settings) as url:
        outcome = renew_sealed(url, metadata, settings.seal)
    output.print(f"{outcome.renewed} secrets are sealed under SPECTRAL_SECRET_KEY.")
    if outcome.unreadable:
        refuse("none of the secrets opens " + ", ".join(outcome.unreadable), FAILED)


@application.command()
def signing_key(
    file: Annotated[Path, typer.Option(envvar="SPECTRAL_SIGNING_KEYS_FILE", help="The file of keys; made if it is not there.")],
    algorithm: Annotated[Algorithm, typer.Option(help="EdDSA or RS256.")] = Algorithm.EDDSA,
) -> None:
    """Add a fresh key that signs access tokens from the next start on; the older ones still verify until they are taken out."""
    kid = add_key(file, algorithm)
    output.print(f"{file} signs with the {algorithm} key {kid} once the server runs with it:", markup=False)
    output.print(f"SPECTRAL_JWT_ALGORITHM={algorithm} SPECTRAL_SIGNING_KEYS_FILE={file}", markup=False)


@application.command()
def doctor(
    url: Annotated[str, typer.Argument(help="The server to examine.")] = "http://localhost:8000",
    email: Annotated[str | None, typer.Option(help="Log in as this person, to send a trace and read it back.")] = None,
    password: Annotated[str | None, typer.Option(help="The person's password; asked for if absent.")] = None,
    api_key: Annotated[str | None, typer.Option(help="Send a trace with this API key instead.")] = None,
) -> None:
    """Examine a running server: its parts, and whether a trace arrives."""
    if email and not password:
        password = typer.prompt("Password", hide_input=True)
    findings = list(diagnosis.examine(url, configure(), email=email, password=password, api_key=api_key))
    output.print(diagnosis.table(findings))
    if any(finding.outcome is diagnosis.Outcome.FAILED for finding in findings):
        raise typer.Exit(FAILED)


@application.command()
def scan(
    scan_id: Annotated[str | None, typer.Argument(help="A scan that is there already; absent = start one.")] = None,
    settings: Annotated[
        str, typer.Option("--settings", help="What to scan: the JSON body of POST scans. The workspace's defaults fill the rest.")
    ] = "{}",
    watch: Annotated[bool, typer.Option("--watch", help="Stay until the scan is over, and tell what happens.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Stop the scan.")] = False,
    expect: Annotated[
        list[Outcome] | None, typer.Option(help="With --watch: end with status 3 on any other verdict. May be given again.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scan as JSON.")] = False,
    url: Annotated[str, typer.Option(envvar="SPECTRAL_URL", help="The server.")] = "http://localhost:8000",
    workspace: Annotated[
        str | None, typer.Option(envvar="SPECTRAL_WORKSPACE_ID", help="The workspace; needed only if you have several.")
    ] = None,
    api_key: Annotated[str | None, typer.Option(envvar="SPECTRAL_API_KEY", help="An API key.")] = None,
    email: Annotated[str | None, typer.Option(envvar="SPECTRAL_EMAIL", help="Log in instead, as this person.")] = None,
    password: Annotated[str | None, typer.Option(envvar="SPECTRAL_PASSWORD", help="The person's password.")] = None,
) -> None:
    """Start a scan on a running server, or show, follow or cancel one.

    Ends with 0 when the scan could be done, whatever its verdict; with 1 when it failed or was cancelled, or the server refused.
    """
    if cancel and scan_id is None:
        raise Refused("--cancel needs the scan that it stops")
    if expect and not watch:
        raise Refused("--expect needs --watch: a verdict is known when the scan is over")
    # A person who is named can do all that people can; keys are often only for sending.
    key = None if email and password else api_key
    with open_server(url, email=email, password=password, api_key=key) as client:
        scans = scanning.Scans(client, workspace or only_workspace(client))
        if scan_id is None:
            found = scans.start(scanning.read_body(settings))
        else:
            found = scans.cancel(scan_id) if cancel else scans.get(scan_id)
        if watch:
            found = watch_scan(scans, found)
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    else:
        output.print("\n".join(scanning.conclusion(found)), markup=False)
    if watch and found["status"] != ScanStatus.COMPLETED:
        raise typer.Exit(FAILED)
    if watch and expect and found["verdict"]["outcome"] not in expect:
        raise typer.Exit(UNWANTED)


def watch_scan(scans: scanning.Scans, started: dict[str, Any]) -> dict[str, Any]:
    """Tell what happens in a scan until it is over; the scan as it ended."""
    scan = started
    try:
        with scanning.progress_bar(errors) as bar:
            bar.console.print(f"Scan {started['id']}", markup=False)
            task = bar.add_task(started["status"], total=100, left="")
            for latest, events in scans.follow(started["id"]):
                scan = latest
                for event in events:
                    bar.console.print(f"{event['phase'] or '':<9} {event['message']}", markup=False)
                bar.update(
                    task,
                    description=scan["phase"] or scan["status"],
                    completed=scan["progress"]["percent"],
                    left=scanning.time_left(scan),
                )
    except KeyboardInterrupt:
        hint = f"Follow it with: spectral scan {scan['id']} --watch   Stop it with: spectral scan {scan['id']} --cancel"
        errors.print(f"The scan goes on. {hint}", markup=False)
        raise typer.Exit(INTERRUPTED) from None
    return scan


@application.command()
def openapi() -> None:
    """Print the OpenAPI document. Needs no database."""
    app = create_app(Settings(environment=Environment.DEVELOPMENT), Database("postgresql://localhost"))
    sys.stdout.write(json.dumps(app.openapi(), indent=2, ensure_ascii=False) + "\n")


def main(arguments: list[str] | None = None) -> None:
    """Run a command. An operator's mistake ends it with one message and no traceback."""
    try:
        application(arguments)
    except Misconfigured as error:
        refuse(str(error), MISCONFIGURED)
    except (OperationalError, psycopg.OperationalError) as error:
        cause = getattr(error, "orig", error)
        trouble = "the disk of the database is full" if isinstance(cause, DiskFull) else "the database does not answer"
        refuse(f"{trouble}: {cause}", FAILED)
    except ProgrammingError as error:
        if not isinstance(error.orig, InsufficientPrivilege):
            raise
        refuse(f"the database refuses: {error.orig}", FAILED)
    except OSError as error:
        if error.filename is None and error.errno != errno.ENOSPC:
            raise
        refuse(f"{error.filename or 'the data directory'}: {error.strerror}", FAILED)
    except httpx.HTTPError as error:
        refuse(f"{address_of(error)} does not answer: {error or type(error).__name__}", FAILED)
    except (EmbeddedPostgresError, server.AddressUnavailable, ExtraMissing, Refused, SigningKeysUnusable, SpectralError) as error:
        refuse(str(error), FAILED)


def refuse(message: str, status: int) -> None:
    """Say what is wrong and end."""
    errors.print(f"spectral: {message.strip()}", markup=False)
    sys.exit(status)


if __name__ == "__main__":
    main()
