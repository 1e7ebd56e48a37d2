"""What is wrong with a running server, asked the way its clients ask: its health, and a span sent over OTLP and read back."""

import asyncio
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import httpx
import typer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span
from rich.table import Table
from rich.text import Text

from spectral_api.cli.configuring import configure
from spectral_api.cli.remote import TIMEOUT_SECONDS, Refused, expect, reason
from spectral_api.cli.terminal import FAILED, output
from spectral_platform.core.access import Scope
from spectral_platform.core.errors import SpectralError
from spectral_platform.core.settings import Settings
from spectral_platform.llm.providers.availability import EXTRAS, Extra, extra_of, has_endpoint

application = typer.Typer()

PROTOBUF = "application/x-protobuf"
PUBLIC_PROVIDER_URL = "https://api.openai.com/v1"
KEY_SCOPES = [Scope.WRITE_TRACES, Scope.READ_WORKSPACE]


class Outcome(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "not checked"


STYLES = {Outcome.PASSED: "green", Outcome.FAILED: "bold red", Outcome.SKIPPED: "yellow"}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    part: str
    outcome: Outcome
    detail: str


@dataclass(frozen=True, slots=True)
class Sender:
    """A key to send traces with, and the workspace that it is bound to, if the server would tell."""

    key: str
    workspace_id: str | None

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a request with this key."""
        return {"Authorization": f"Bearer {self.key}"}


def examine(
    url: str, settings: Settings, *, email: str | None = None, password: str | None = None, api_key: str | None = None
) -> Iterator[Finding]:
    """Check a server part by part; a trace is sent only with a key, or with a person's login to make one."""
    with httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS) as client:
        findings = list(examine_health(client))
        yield from findings
        if findings[0].outcome is Outcome.FAILED:
            return
        try:
            if api_key:
                yield from examine_traces(client, Sender(api_key, workspace_of_key(client, api_key)))
            elif email and password:
                with borrowed_key(client, email, password) as sender:
                    yield from examine_traces(client, sender)
            else:
                yield Finding("traces", Outcome.SKIPPED, "give --email or --api-key to send a span")
        except (Refused, httpx.HTTPError) as error:
            yield Finding("access", Outcome.FAILED, str(error))
    yield from examine_providers(settings)


def examine_health(client: httpx.Client) -> Iterator[Finding]:
    """What the server says of itself, after whether it says anything."""
    try:
        answer = client.get("/api/v1/health")
        health: dict[str, Any] = answer.json()
        checks = health["checks"].items()
    except (httpx.HTTPError, ValueError, KeyError) as error:
        yield Finding("server", Outcome.FAILED, f"no Spectral answers at {client.base_url}: {error or type(error).__name__}")
        return
    yield Finding("server", Outcome.PASSED, f"version {health['version']}, {health['status']}")
    for part, check in checks:
        yield Finding(part, Outcome.PASSED if check["status"] == "ok" else Outcome.FAILED, check["detail"])


def examine_traces(client: httpx.Client, sender: Sender) -> Iterator[Finding]:
    """Whether a span arrives, and whether it can be read back."""
    trace_id = secrets.token_bytes(16)
    answer = client.post(
        "/otel/v1/traces",
        content=one_span(trace_id).SerializeToString(),
        headers={**sender.headers, "Content-Type": PROTOBUF},
    )
    if answer.status_code != 200:
        yield Finding("ingestion", Outcome.FAILED, f"the span was refused with {answer.status_code}")
        return
    refused = ExportTraceServiceResponse.FromString(answer.content).partial_success
    if refused.rejected_spans:
        yield Finding("ingestion", Outcome.FAILED, f"the span was rejected: {refused.error_message}")
        return
    yield Finding("ingestion", Outcome.PASSED, f"one span stored, {answer.elapsed.total_seconds() * 1000:.0f} ms")
    yield read_back(client, sender, trace_id.hex())


def read_back(client: httpx.Client, sender: Sender, trace_id: str) -> Finding:
    """Whether a trace that was stored is there for its readers."""
    if sender.workspace_id is None:
        return Finding("reading", Outcome.SKIPPED, "the server does not tell the workspace of this key")
    answer = client.get(f"/api/v1/workspaces/{sender.workspace_id}/traces/{trace_id}", headers=sender.headers)
    if answer.status_code == 403:
        return Finding("reading", Outcome.SKIPPED, f"this key lacks {Scope.READ_WORKSPACE}")
    if answer.status_code != 200 or answer.json().get("trace_id") != trace_id:
        return Finding("reading", Outcome.FAILED, f"the stored trace cannot be read: {reason(answer)}")
    return Finding("reading", Outcome.PASSED, f"trace {trace_id} read back")


def examine_providers(settings: Settings) -> Iterator[Finding]:
    """Whether the model providers that this environment names answer; listing their models costs nothing."""
    if has_endpoint(settings):
        base = (settings.openai_base_url or PUBLIC_PROVIDER_URL).rstrip("/")
        key = settings.openai_api_key
        headers = {"Authorization": f"Bearer {key.get_secret_value()}"} if key else {}
        usual = settings.usual_model
        yield ask_for_models("provider", base, headers, usual if usual and extra_of(settings, usual) is None else None)
    for extra in EXTRAS:
        if extra.key(settings) is not None:
            yield asyncio.run(reach(extra, settings))
    if not has_endpoint(settings) and not any(extra.key(settings) for extra in EXTRAS):
        yield Finding("provider", Outcome.SKIPPED, "none is configured here: only the simulator's models answer")


async def reach(extra: Extra, settings: Settings) -> Finding:
    """Whether a provider with a library of its own takes the key."""
    if not extra.is_installed:
        return Finding(extra.name, Outcome.FAILED, f"a key is set, but its library is missing: {extra.missing_library}")
    try:
        async with await extra.load(settings) as provider:
            await provider.reach()
    except SpectralError as error:
        return Finding(extra.name, Outcome.FAILED, error.detail)
    return Finding(extra.name, Outcome.PASSED, "its key is taken")


def ask_for_models(part: str, base: str, headers: dict[str, str], wanted: str | None) -> Finding:
    """Whether a provider takes the key and lists the model that is wanted."""
    try:
        answer = httpx.get(f"{base}/models", headers=headers, timeout=TIMEOUT_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Finding(part, Outcome.FAILED, f"{base} does not answer: {error}")
    if answer.status_code != 200:
        return Finding(part, Outcome.FAILED, f"{base} answers {reason(answer)}")
    if wanted and wanted not in models_in(answer):
        return Finding(part, Outcome.FAILED, f"{base} does not list {wanted}")
    return Finding(part, Outcome.PASSED, f"{base} answers")


def models_in(answer: httpx.Response) -> set[str]:
    """The ids in a provider's list of models."""
    try:
        return {model["id"] for model in answer.json()["data"]}
    except (ValueError, KeyError, TypeError):
        return set()


@contextmanager
def borrowed_key(client: httpx.Client, email: str, password: str) -> Iterator[Sender]:
    """A key of the person's oldest workspace, revoked at the end."""
    tokens = expect(client.post("/api/v1/auth/login", json={"email": email, "password": password}), "logging in")
    person = {"Authorization": f"Bearer {tokens['access_token']}"}
    workspaces = expect(client.get("/api/v1/auth/me", headers=person), "reading the profile")["workspaces"]
    if not workspaces:
        raise Refused(f"{email} has no workspace")
    keys = f"/api/v1/workspaces/{workspaces[0]['id']}/keys"
    body = {"name": "spectral doctor", "scopes": KEY_SCOPES}
    key = expect(client.post(keys, headers=person, json=body), "issuing a key")
    try:
        yield Sender(key["key"], workspaces[0]["id"])
    finally:
        client.delete(f"{keys}/{key['key_id']}", headers=person)


def workspace_of_key(client: httpx.Client, key: str) -> str | None:
    """The only workspace that a key reaches."""
    answer = client.get("/api/v1/workspaces", headers={"Authorization": f"Bearer {key}"})
    found: list[dict[str, str]] = expect(answer, "using the key")["results"]
    return found[0]["id"] if found else None


def one_span(trace_id: bytes) -> ExportTraceServiceRequest:
    """An export of one short span that ended now."""
    now = time.time_ns()
    span = Span(
        trace_id=trace_id,
        span_id=secrets.token_bytes(8),
        name="spectral doctor",
        start_time_unix_nano=now - 1_000_000,
        end_time_unix_nano=now,
    )
    service = KeyValue(key="service.name", value=AnyValue(string_value="spectral-doctor"))
    scope = ScopeSpans(scope=InstrumentationScope(name="spectral.doctor"), spans=[span])
    return ExportTraceServiceRequest(resource_spans=[ResourceSpans(resource=Resource(attributes=[service]), scope_spans=[scope])])


def table(findings: list[Finding]) -> Table:
    """The findings for people."""
    shown = Table("part", "outcome", "detail")
    for finding in findings:
        shown.add_row(finding.part, Text(finding.outcome, style=STYLES[finding.outcome]), Text(finding.detail))
    return shown


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
    findings = list(examine(url, configure(), email=email, password=password, api_key=api_key))
    output.print(table(findings))
    if any(finding.outcome is Outcome.FAILED for finding in findings):
        raise typer.Exit(FAILED)
