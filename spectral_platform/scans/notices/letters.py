"""What somebody reads who wants to know how a scan ended."""

from spectral_platform.scans.models import Scan
from spectral_platform.scans.settings import Ending

HEADLINES = {
    Ending.IMPROVE: "a change is proposed",
    Ending.REJECTED_TRADEOFF: "a change does good and harm",
    Ending.VALIDATED_NO_CHANGE: "no changes warranted",
    Ending.INSUFFICIENT_EVIDENCE: "not enough evidence",
    Ending.FAILED: "it failed",
    Ending.CANCELLED: "it was cancelled",
}


def ending_of(scan: Scan) -> Ending:
    """How a scan that is over ended."""
    return Ending(scan.verdict.outcome if scan.verdict is not None else scan.status)


def write_notice(scan: Scan, *, workspace: str, public_url: str | None) -> tuple[str, str]:
    """Subject and text of the letter about a scan that is over."""
    ending = ending_of(scan)
    agents = ", ".join(agent.name for agent in scan.settings.agents)
    subject = f"Scan of {agents}: {HEADLINES[ending]}"
    lines = [f"The scan of {agents} in the workspace {workspace} is over: {HEADLINES[ending]} ({ending}).", ""]
    if scan.failure is not None:
        lines += [f"Why: {scan.failure['detail']}", ""]
    if scan.verdict is not None and scan.verdict.effect is not None:
        effect = scan.verdict.effect
        confidence = 100 * (1 - effect.alpha)
        lines += [
            f"Effect on the holdout: {effect.estimate:+.3f}, at least {effect.lower_bound:+.3f} with {confidence:g} % confidence,"
            f" from {effect.n_pairs} pairs.",
            "",
        ]
    if scan.simulated:
        lines += ["All models were played by the simulator; this says nothing about a real agent.", ""]
    place = f"{(public_url or 'https://your-spectral-server').rstrip('/')}/api/v1/workspaces/{scan.workspace_id}"
    lines.append(f"Report: {place}/scans/{scan.id}/report")
    if scan.changeset_id is not None:
        lines.append(f"Changeset: {place}/changesets/{scan.changeset_id}")
    lines += ["", "You get this letter because the request for the scan names your address under `notify`.", ""]
    return subject, "\n".join(lines)
