"""Endpoints of what a workspace decides for itself: retention, masking, prices and autonomy."""

from typing import Annotated, Any, TypeVar

from fastapi import Body

from spectral_api.dependencies import Database
from spectral_api.etags import ConditionalRead, ConditionalWrite
from spectral_api.routing import IN_WORKSPACE, Router
from spectral_api.v1.callers import Admin, Reader
from spectral_api.v1.refusals import workspace_problems
from spectral_platform.scans.outlook import AutonomyOutlook
from spectral_platform.scans.queries import get_autonomy_outlook as get_outlook
from spectral_platform.workspaces.policies import commands, queries
from spectral_platform.workspaces.policies.autonomy import Autonomy
from spectral_platform.workspaces.policies.errors import PolicyChanged
from spectral_platform.workspaces.policies.kinds import Policy
from spectral_platform.workspaces.policies.masking import Masking
from spectral_platform.workspaces.policies.prices import Prices
from spectral_platform.workspaces.policies.retention import Retention

P = TypeVar("P", bound=Policy)

router = Router(prefix=IN_WORKSPACE, tags=["Workspaces"])

READING = workspace_problems() | {304: {"description": "The caller holds the current policy already."}}
WRITING = workspace_problems(PolicyChanged)


@router.get("/retention", response_model=Retention, summary="Get the retention policy", responses=READING)
async def get_retention(caller: Reader, database: Database, conditional: ConditionalRead) -> Any:
    """Show how long traces are kept."""
    return conditional.show(await queries.get_policy(database, caller, Retention))


@router.put("/retention", response_model=Retention, summary="Replace the retention policy", responses=WRITING)
async def replace_retention(
    body: Annotated[Retention, Body(openapi_examples={"quarter": {"value": {"traces_days": 90}}})],
    caller: Admin,
    database: Database,
    conditional: ConditionalWrite,
) -> Any:
    """Decide how long traces are kept. Older ones are deleted within the hour, and nothing brings them back."""
    return conditional.show(await commands.replace_policy(database, caller, body, expected=conditional.expected))


@router.get("/masking", response_model=Masking, summary="Get the masking policy", responses=READING)
async def get_masking(caller: Reader, database: Database, conditional: ConditionalRead) -> Any:
    """Show what is taken out of spans, traces and feedback before they are stored."""
    return conditional.show(await queries.get_policy(database, caller, Masking))


@router.put("/masking", response_model=Masking, summary="Replace the masking policy", responses=WRITING)
async def replace_masking(
    body: Annotated[
        Masking,
        Body(
            openapi_examples={
                "personal data": {
                    "value": {
                        "detectors": ["email", "card", "secret"],
                        "rules": [{"name": "customer_number", "pattern": "\\bC-[0-9]{6}\\b"}],
                        "keys": ["*password*"],
                    }
                }
            }
        ),
    ],
    caller: Admin,
    database: Database,
    conditional: ConditionalWrite,
) -> Any:
    """Decide what is taken out of whatever arrives from now on, on every way in. What is stored already stays as it is.

    Patterns are RE2's, which match in linear time; look-around and back-references are refused.
    """
    return conditional.show(await commands.replace_policy(database, caller, body, expected=conditional.expected))


@router.get("/prices", response_model=Prices, summary="Get the model prices", responses=READING)
async def get_prices(caller: Reader, database: Database, conditional: ConditionalRead) -> Any:
    """Show the workspace's own model prices."""
    return conditional.show(await queries.get_policy(database, caller, Prices))


@router.put("/prices", response_model=Prices, summary="Replace the model prices", responses=WRITING)
async def replace_prices(
    body: Annotated[
        Prices,
        Body(
            openapi_examples={
                "one model": {"value": {"prices": [{"model": "acme-large", "input_usd": "2.50", "output_usd": "10.00"}]}}
            }
        ),
    ],
    caller: Admin,
    database: Database,
    conditional: ConditionalWrite,
) -> Any:
    """Set what models cost in this workspace, in US dollars per million tokens.

    These prices come before those of the price book, for spans that arrive from now on and do not report their cost themselves.
    """
    return conditional.show(await commands.replace_policy(database, caller, body, expected=conditional.expected))


@router.get("/autonomy", response_model=Autonomy, summary="Get the autonomy policy", responses=READING)
async def get_autonomy(caller: Reader, database: Database, conditional: ConditionalRead) -> Any:
    """Show who decides about changesets."""
    return conditional.show(await queries.get_policy(database, caller, Autonomy))


@router.put("/autonomy", response_model=Autonomy, summary="Replace the autonomy policy", responses=WRITING)
async def replace_autonomy(
    body: Annotated[
        Autonomy,
        Body(
            openapi_examples={
                "recommend": {"value": {"mode": "recommend"}},
                "two people": {"value": {"mode": "manual", "required_approvals": 2}},
                "bounded": {
                    "value": {
                        "mode": "bounded_auto",
                        "bounds": {"max_risk": "low", "max_applies_per_day": 1, "min_confidence": 0.99},
                        "watch_window_s": 86400,
                    }
                },
            }
        ),
    ],
    caller: Admin,
    database: Database,
    conditional: ConditionalWrite,
) -> Any:
    """Decide who decides about changesets. No mode skips a gate of a verdict.

    `observe_only` refuses accepting and applying, `recommend` refuses applying. With more than one of `required_approvals`, so
    many different people must accept. Under `bounded_auto` the system accepts and applies by itself what keeps every bound, needs
    no approval for that, watches production for `watch_window_s` and rolls back on a regression; the rest is left to people. A
    scan is held to the rigor of the mode in which it was asked for: the less people have a say, the more evidence it takes.
    """
    return conditional.show(await commands.replace_policy(database, caller, body, expected=conditional.expected))


@router.get(
    "/autonomy/outlook", response_model=AutonomyOutlook, summary="See what each mode lets through", responses=workspace_problems()
)
async def get_autonomy_outlook(caller: Reader, database: Database) -> Any:
    """Show how many false improvements a year each mode is expected to let through at most, at the pace of the last 90 days.

    Every verdict has a level: how often a worthless candidate passes. The more scans compare something, the more often that
    happens, which is why `bounded_auto` holds them to a stricter one.
    """
    return await get_outlook(database, caller)
