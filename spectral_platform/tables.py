"""Every room's rows in one place, so that the metadata is whole."""

from spectral_platform.accounts import models as accounts
from spectral_platform.agents import models as agents
from spectral_platform.agents.templates import models as templates
from spectral_platform.audit import models as audit
from spectral_platform.auth import models as auth
from spectral_platform.auth.lockout import models as lockout
from spectral_platform.auth.oauth import models as oauth
from spectral_platform.auth.passwords import models as passwords
from spectral_platform.authoring import models as authoring
from spectral_platform.changesets import models as changesets
from spectral_platform.changesets.autonomy import models as watches
from spectral_platform.changesets.clusters import models as clusters
from spectral_platform.core.database import Base
from spectral_platform.evaluations.calibration import models as calibration
from spectral_platform.evaluations.objectives import models as objectives
from spectral_platform.evaluations.rubrics import models as rubrics
from spectral_platform.evaluations.scores import models as scores
from spectral_platform.idempotency import models as idempotency
from spectral_platform.invites import models as invites
from spectral_platform.keys import models as keys
from spectral_platform.llm import models as llm
from spectral_platform.ratelimits import models as ratelimits
from spectral_platform.samples import models as samples
from spectral_platform.scans import models as scans
from spectral_platform.scans.schedules import models as schedules
from spectral_platform.traces import models as traces
from spectral_platform.webhooks import models as webhooks
from spectral_platform.workspaces import models as workspaces
from spectral_platform.workspaces.policies import models as policies
from spectral_platform.worlds import models as worlds

metadata = Base.metadata

__all__ = [
    "accounts",
    "agents",
    "audit",
    "auth",
    "authoring",
    "calibration",
    "changesets",
    "clusters",
    "idempotency",
    "invites",
    "keys",
    "llm",
    "lockout",
    "metadata",
    "oauth",
    "objectives",
    "passwords",
    "policies",
    "ratelimits",
    "rubrics",
    "samples",
    "scans",
    "schedules",
    "scores",
    "templates",
    "traces",
    "watches",
    "webhooks",
    "workspaces",
    "worlds",
]
