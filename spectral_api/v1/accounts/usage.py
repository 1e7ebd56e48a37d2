"""Endpoint that tells what an account has used."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import Field

from spectral_api.dependencies import Database
from spectral_api.paging import Limit, Offset, Results, envelope
from spectral_api.routing import V1, Router
from spectral_api.schemas import Output, Usd
from spectral_api.v1.callers import AccountAdmin
from spectral_api.v1.refusals import account_problems
from spectral_platform.core.paging import PageRequest
from spectral_platform.core.values import Day
from spectral_platform.dashboard import queries
from spectral_platform.dashboard.errors import UsageTooLong

router = Router(prefix=V1 + "/account", tags=["Accounts"])


class UsageDay(Output):
    """What a workspace used on one day."""

    workspace_id: UUID = Field(description="The workspace.")
    workspace_name: str = Field(description="Its name.", examples=["Support"])
    day: date = Field(description="The day, in UTC.")
    spans: int = Field(description="Spans that arrived and were stored.", examples=[120_431])
    traces: int = Field(description="Traces that began to arrive.", examples=[8_034])
    scans: int = Field(description="Scans that were asked for.", examples=[3])
    model_spend_usd: Usd = Field(
        description="What the models of these scans cost; simulated ones cost nothing.", examples=["1.27"]
    )


@router.get("/usage", response_model=Results[UsageDay], summary="Usage", responses=account_problems(UsageTooLong))
async def list_usage(
    caller: AccountAdmin,
    database: Database,
    since: Annotated[Day | None, Query(description="The first day; by default 30 days before `until`.")] = None,
    until: Annotated[Day | None, Query(description="The day after the last; by default tomorrow.")] = None,
    limit: Limit = 20,
    offset: Offset = 0,
) -> Any:
    """List what each workspace used on each day, the newest day first; days on which nothing was used are left out.

    At most 366 days at a time. Workspaces that were deleted count until they are erased.
    """
    page = PageRequest(limit=limit, offset=offset)
    return envelope(await queries.list_usage(database, caller, since=since, until=until, page=page))
