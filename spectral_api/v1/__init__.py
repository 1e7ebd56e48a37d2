"""Version 1 of the API: the one list of its routers."""

from spectral_api.routing import Router, add_routes
from spectral_api.v1.accounts.portability import router as portability
from spectral_api.v1.accounts.router import router as accounts
from spectral_api.v1.accounts.usage import router as usage
from spectral_api.v1.agents.router import router as agents
from spectral_api.v1.auth.oauth.router import router as oauth
from spectral_api.v1.auth.router import router as auth
from spectral_api.v1.authoring.router import router as authoring
from spectral_api.v1.changesets.clusters.router import router as clusters
from spectral_api.v1.changesets.router import router as changesets
from spectral_api.v1.evaluations.calibration.router import router as calibration
from spectral_api.v1.evaluations.objectives.router import router as objectives
from spectral_api.v1.evaluations.rubrics.router import router as rubrics
from spectral_api.v1.evaluations.scores.router import router as scores
from spectral_api.v1.invites.router import router as invites
from spectral_api.v1.keys.router import router as keys
from spectral_api.v1.members.router import router as members
from spectral_api.v1.members.router import workspace_router as workspace_members
from spectral_api.v1.samples.router import router as samples
from spectral_api.v1.scans.router import router as scans
from spectral_api.v1.signed.router import router as signed
from spectral_api.v1.traces.router import router as traces
from spectral_api.v1.webhooks.router import router as webhooks
from spectral_api.v1.workspaces.deletion import router as deletion
from spectral_api.v1.workspaces.health import router as health
from spectral_api.v1.workspaces.policies import router as policies
from spectral_api.v1.workspaces.router import router as workspaces

router = Router()
add_routes(
    router,
    auth,
    oauth,
    accounts,
    invites,
    portability,
    usage,
    members,
    workspaces,
    deletion,
    signed,
    workspace_members,
    policies,
    health,
    keys,
    webhooks,
    authoring,
    rubrics,
    calibration,
    scores,
    objectives,
    samples,
    traces,
    agents,
    scans,
    clusters,  # before /changesets/{changeset_id}
    changesets,
)
