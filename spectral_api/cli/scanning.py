"""Scans from the command line: start one on a running server, follow it, and tell what it concluded."""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

from spectral_api.cli.remote import Refused, only_workspace, open_server, reason
from spectral_api.cli.remote import expect as expect_success
from spectral_api.cli.terminal import FAILED, INTERRUPTED, UNWANTED, errors, output
from spectral_platform.changesets.states import Outcome
from spectral_platform.scans.states import SCAN, ScanStatus
from spectral_platform.scans.verdicts.verdict import describe_need

POLL_SECONDS = 1.0
PATIENCE_SECONDS = 60.0
EVENTS_AT_ONCE = 100
OVER = SCAN.terminal

application = typer.Typer()


@dataclass(frozen=True, slots=True)
class Scans:
    """The scans of one workspace on a running server."""

    client: httpx.Client
    workspace_id: str

    def start(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Ask for a scan; the answer is the scan as it was scheduled. Raises ``Refused``."""
        return expect_success(self.client.post(self._path(), json=body), "starting the scan")

    def cancel(self, scan_id: str) -> dict[str, Any]:
        """Stop a scan. Raises ``Refused`` for one that is over."""
        return expect_success(self.client.post(f"{self._path()}/{scan_id}/cancel"), "cancelling the scan")

    def get(self, scan_id: str) -> dict[str, Any]:
        """One scan as it stands."""
        return expect_success(self.client.get(f"{self._path()}/{scan_id}"), "reading the scan")

    def follow(self, scan_id: str) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
        """The scan as it stands, with the events since the last time, until it is over.

        A server that cannot be reached, or is too busy, is waited for a minute. Raises ``Refused`` after that.
        """
        seen, lost_at = 0, None
        while True:
            try:
                scan = self._patiently(f"{self._path()}/{scan_id}")  # first, so that the events of its end are among those read
                events = self._events_after(scan_id, seen)
            except httpx.TransportError as outage:
                lost_at = lost_at or time.monotonic()
                if time.monotonic() - lost_at > PATIENCE_SECONDS:
                    raise Refused(f"the server has not answered for a minute: {outage or type(outage).__name__}") from outage
            else:
                lost_at, seen = None, seen + len(events)
                yield scan, events
                if scan["status"] in OVER:
                    return
            time.sleep(POLL_SECONDS)

    def _events_after(self, scan_id: str, seen: int) -> list[dict[str, Any]]:
        """All events after as many; their numbers begin at 1 and have no gaps."""
        events: list[dict[str, Any]] = []
        while True:
            offset = seen + len(events)
            page = self._patiently(f"{self._path()}/{scan_id}/events?limit={EVENTS_AT_ONCE}&offset={offset}")
            events += page["results"]
            if len(page["results"]) < EVENTS_AT_ONCE:
                return events

    def _patiently(self, path: str) -> dict[str, Any]:
        answer = self.client.get(path)
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error:
            raise httpx.TransportError(reason(answer))
        return expect_success(answer, "following the scan")

    def _path(self) -> str:
        return f"workspaces/{self.workspace_id}/scans"


def progress_bar(console: Console) -> Progress:
    """A bar that tells the phase, the share that is done, and the time that has gone by and is left."""
    return Progress(
        SpinnerColumn(),
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[left]}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def time_left(scan: Mapping[str, Any]) -> str:
    """The estimate of a running scan in words."""
    seconds = scan["progress"]["eta_s"]
    if seconds is None:
        return ""
    minutes, seconds = divmod(seconds, 60)
    return f"about {minutes} min {seconds:02} s left" if minutes else f"about {seconds} s left"


def conclusion(scan: Mapping[str, Any]) -> list[str]:
    """What a scan came to, in lines for people."""
    if scan["status"] != ScanStatus.COMPLETED:
        failure = scan["failure"]
        return [f"Scan {scan['id']}: {scan['status']}"] + ([failure["detail"]] if failure else [])
    verdict = scan["verdict"]
    lines = [f"Scan {scan['id']}: {verdict['outcome']}" + (" (simulated)" if scan["simulated"] else "")]
    effect = verdict["effect"]
    if effect is not None:
        bound = f"{effect['lower_bound']:+.3f} at {100 * (1 - effect['alpha']):.1f} %"
        lines.append(f"Effect {effect['estimate']:+.3f}, at least {bound}, on {effect['n_pairs']} sealed cases")
    lines += verdict["reasons"]
    need = describe_need(verdict["need"])
    if need:
        lines.append(f"To know more: {need}")
    cost = "unknown, for want of prices" if scan["cost_usd"] is None else f"{scan['cost_usd']} USD"
    lines.append(f"Cost {cost}, {scan['progress']['done']} model calls")
    if scan["changeset_id"] is not None:
        lines.append(f"Changeset {scan['changeset_id']}")
    return lines


def read_body(text: str) -> dict[str, Any]:
    """The body of a request from JSON. Raises ``Refused`` when it is none."""
    try:
        body = json.loads(text)
    except ValueError as mistake:
        raise Refused(f"the settings are not JSON: {mistake}") from mistake
    if not isinstance(body, dict):
        raise Refused("the settings are not a JSON object")
    return body


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
        scans = Scans(client, workspace or only_workspace(client))
        if scan_id is None:
            found = scans.start(read_body(settings))
        elif cancel:
            found = scans.cancel(scan_id)
        else:
            found = scans.get(scan_id)
        if watch:
            found = watch_scan(scans, found)
    if as_json:
        sys.stdout.write(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    else:
        output.print("\n".join(conclusion(found)), markup=False)
    if watch and found["status"] != ScanStatus.COMPLETED:
        raise typer.Exit(FAILED)
    if watch and expect and found["verdict"]["outcome"] not in expect:
        raise typer.Exit(UNWANTED)


def watch_scan(scans: Scans, started: dict[str, Any]) -> dict[str, Any]:
    """Tell what happens in a scan until it is over; the scan as it ended."""
    scan = started
    try:
        with progress_bar(errors) as bar:
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
                    left=time_left(scan),
                )
    except KeyboardInterrupt:
        hint = f"Follow it with: spectral scan {scan['id']} --watch   Stop it with: spectral scan {scan['id']} --cancel"
        errors.print(f"The scan goes on. {hint}", markup=False)
        raise typer.Exit(INTERRUPTED) from None
    return scan
