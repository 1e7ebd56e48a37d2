"""The commands that need all of a server: to run it, and what operators do to its database."""

import asyncio
import json
import shlex
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from spectral_api import server
from spectral_api.app import create_app
from spectral_api.cli.configuring import DatabaseUrl, DataDir, configure, failures_told
from spectral_api.cli.terminal import FAILED, Failed, output, refuse
from spectral_api.demonstration import DemoAccess, ensure_demo
from spectral_api.otel.rpc import ExtraMissing
from spectral_platform.accounts import commands as accounts
from spectral_platform.core import schema
from spectral_platform.core.database import Database, driver_url
from spectral_platform.core.sealed_columns import renew_sealed
from spectral_platform.core.settings import Environment, Settings
from spectral_platform.core.signing import Algorithm, add_key
from spectral_platform.portability import importing
from spectral_platform.portability.exporting import seal_of
from spectral_platform.tables import metadata

application = typer.Typer()


@application.command()
@failures_told()
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
    try:
        server.serve(settings, demo=demo, announce=announce)
    except (server.AddressUnavailable, ExtraMissing) as error:
        raise Failed(str(error)) from error


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
@failures_told()
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
@failures_told()
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
@failures_told()
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
@failures_told()
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
@failures_told()
def rotate_secrets(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Seal every kept secret under SPECTRAL_SECRET_KEY, so that SPECTRAL_PREVIOUS_SECRET_KEYS can be dropped."""
    settings = configure(data_dir=data_dir, database_url=database_url)
    with server.open_database(settings) as url:
        outcome = renew_sealed(url, metadata, settings.seal)
    output.print(f"{outcome.renewed} secrets are sealed under SPECTRAL_SECRET_KEY.")
    if outcome.unreadable:
        refuse("none of the secrets opens " + ", ".join(outcome.unreadable), FAILED)


@application.command()
@failures_told()
def signing_key(
    file: Annotated[Path, typer.Option(envvar="SPECTRAL_SIGNING_KEYS_FILE", help="The file of keys; made if it is not there.")],
    algorithm: Annotated[Algorithm, typer.Option(help="EdDSA or RS256.")] = Algorithm.EDDSA,
) -> None:
    """Add a fresh key that signs access tokens from the next start on; the older ones still verify until they are taken out."""
    kid = add_key(file, algorithm)
    output.print(f"{file} signs with the {algorithm} key {kid} once the server runs with it:", markup=False)
    output.print(f"SPECTRAL_JWT_ALGORITHM={algorithm} SPECTRAL_SIGNING_KEYS_FILE={file}", markup=False)


@application.command()
def openapi() -> None:
    """Print the OpenAPI document. Needs no database."""
    app = create_app(Settings(environment=Environment.DEVELOPMENT), Database("postgresql://localhost"))
    sys.stdout.write(json.dumps(app.openapi(), indent=2, ensure_ascii=False) + "\n")
