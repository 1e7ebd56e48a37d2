"""The page about access: its example runs as printed."""

import asyncio
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.cli.processes import serving
from tests.fixtures.forks import CLEAN

PAGE = Path(__file__).parents[2] / "docs/access.md"


@pytest.mark.own_database
async def test_the_example_runs_as_printed(database_url: str) -> None:
    (example,) = re.findall(r"```bash\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    with (
        TemporaryDirectory() as data_dir,
        serving("--data-dir", data_dir, "--workers", "0", SPECTRAL_DATABASE_URL=database_url) as (url, _),
    ):
        ran = await asyncio.create_subprocess_exec(
            "bash", "-euo", "pipefail", "-c", example, env=CLEAN | {"SPECTRAL": url}, stdout=-1, stderr=-1
        )
        told, complaints = await ran.communicate()

    assert ran.returncode == 0, complaints.decode()
    assert b"['read:agents', 'read:workspace', 'write:workspace']" in told
    assert b'"role":"contributor"' in told
