"""Schemathesis over the whole OpenAPI document, against a server process, as the owner of an account."""

import json
import subprocess
import sys
from collections.abc import Collection, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation
from schemathesis.transport.requests import ManagedCookiesSession

from tests.contract.conftest import PARAMETER, samples, things
from tests.contract.documents import DOCUMENT, Json
from tests.fixtures.callers import register

EXAMPLES = 50
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
ACCEPTED = ["2xx", "302", "400", "401", "403", "404", "412", "413", "422", "429"]
"""Answers to a request of the right shape: no schema tells that an id names nothing, a name is taken, a rule is broken, or
that somebody has guessed too often."""
REFUSED = ["400", "401", "403", "404", "405", "412", "413", "415", "422"]
CHAINS = f"""
[parameters]
"path.workspace_id" = "{{workspace_id}}"
[checks.positive_data_acceptance]
expected-statuses = {ACCEPTED}
"""
CONFIGURATION = SchemathesisConfig.from_dict(
    {
        # What deviates in one place only is sent by the tests of requests and of robustness already.
        "phases": {"coverage": {"enabled": False}},
        "checks": {
            "positive_data_acceptance": {"expected-statuses": ACCEPTED},
            "negative_data_rejection": {"expected-statuses": REFUSED},
            # It sends two of five requests a second time; who may do what is asked of every route in the tests of access.
            "ignored_auth": {"enabled": False},
        },
        "operations": [
            # These take or refuse each item of a list by itself, and say so item by item.
            {"include-operation-id": ["create_traces", "add_samples"], "checks": {"negative_data_rejection": {"enabled": False}}}
        ],
    }
)


def with_tokens_alone(document: Json) -> Json:
    """The document without the other way in, by cookies: a broken cookie beside a good token refuses nobody."""
    copy: Json = deepcopy(document)
    for operation in (operation for item in copy["paths"].values() for operation in item.values()):
        if "security" in operation:
            operation["security"] = [each for each in operation["security"] if "cookie" not in each]
    return copy


def without_keys(document: Json) -> Json:
    """The document without `Idempotency-Key`: what a key says again may have been deleted since."""
    copy: Json = deepcopy(document)
    for operation in (operation for item in copy["paths"].values() for operation in item.values()):
        operation["parameters"] = [each for each in operation.get("parameters", []) if each.get("name") != "Idempotency-Key"]
    return copy


TOLD = with_tokens_alone(DOCUMENT)
schema = schemathesis.openapi.from_dict(TOLD, config=CONFIGURATION)
Case = schemathesis.Case[Any]
quietly = partial(settings, suppress_health_check=list(HealthCheck))


@schemathesis.serializer("application/x-protobuf")
def protobuf(context: schemathesis.SerializationContext, value: Any) -> Any:
    """Whatever was made up, as bytes."""
    return value if isinstance(value, bytes) else json.dumps(value, default=str).encode()


@dataclass
class Subject:
    """A server, an account of its own there, and what is in it by the names that paths have for it."""

    url: str
    headers: dict[str, str]
    items: dict[str, str]

    def aim(self, case: Case) -> None:
        """Let the case come from the account's owner, and well-formed ids in its path name what exists."""
        self.authorise(case)
        for name, value in list((case.path_parameters or {}).items()):
            if name in self.items and is_id(value):
                case.path_parameters[name] = self.items[name]

    def authorise(self, case: Case) -> None:
        """Let the case come from the account's owner, if it does not come from nobody on purpose."""
        if case.meta is None or not case.meta.is_negative_at(ParameterLocation.HEADER):
            case.headers.update(self.headers)


def is_id(value: Any) -> bool:
    """Whether a value is what an id looks like."""
    try:
        return bool(UUID(value))
    except (ValueError, TypeError, AttributeError):
        return False


async def new_subject(server_url: str, needed: Collection[str] | None = None) -> Subject:
    """An account with one of everything, or of all that is needed."""
    async with httpx.AsyncClient(base_url=server_url, timeout=60) as client:
        owner = await register(client)
        items = await things(owner, needed=needed)
        if "sample_set_id" in items:
            items |= await samples(owner, items["sample_set_id"])
        await owner.client.aclose()
    items |= {"workspace_id": str(owner.workspace_id)}
    return Subject(server_url, owner.bearing(owner.tokens["access_token"]), items)


@pytest.fixture(scope="module")
async def read_subject(server_url: str) -> Subject:
    """The account that operations share which change nothing."""
    return await new_subject(server_url)


@pytest.fixture
async def subject(request: pytest.FixtureRequest, server_url: str, read_subject: Subject) -> Subject:
    """The test's account: one of its own, with what the path names if it names a thing, unless all that the test sends is GET."""
    if "[GET " in request.node.name:
        return read_subject
    return await new_subject(server_url, set(PARAMETER.findall(request.node.name)) - {"workspace_id"} or None)


@pytest.fixture(scope="module")
def connection() -> Iterator[ManagedCookiesSession]:
    """A connection that stays open from one request to the next and takes no cookies along, as in Schemathesis' own engine."""
    with ManagedCookiesSession() as session:
        session.trust_env = False
        yield session


@schema.parametrize()
@quietly(max_examples=EXAMPLES)
def test_the_server_keeps_what_its_document_says(case: Case, subject: Subject, connection: ManagedCookiesSession) -> None:
    subject.aim(case)
    case.call_and_validate(base_url=subject.url, session=connection)


def test_chains_of_requests_keep_it_too(subject: Subject, tmp_path: Path) -> None:
    # Schemathesis' own engine follows what one answer says to the next request. In that of pytest a chain that failed has to fail
    # again in the same way, which it need not do on a server that remembers.
    document, configuration = tmp_path / "openapi.json", tmp_path / "schemathesis.toml"
    document.write_text(json.dumps(without_keys(TOLD)))
    configuration.write_text(CHAINS.format(**subject.items))
    options = ["--phases", "stateful", "--mode", "positive", "--checks", "all", "--max-examples", str(EXAMPLES)]
    headers = [f"--header={name}: {value}" for name, value in subject.headers.items()]
    ended = subprocess.run(
        [SCHEMATHESIS, f"--config-file={configuration}", "run", document, f"--url={subject.url}", *options, *headers],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert ended.returncode == 0, ended.stdout[-20_000:]
