"""The page on configuration names every variable, and no other."""

import re
from pathlib import Path

from spectral_platform.core.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs/configuration.md").read_text()


def test_the_page_names_every_variable_and_no_other() -> None:
    named = {
        name for row in PAGE.splitlines() if row.startswith("|") for name in re.findall(r"`(SPECTRAL_\w+)`", row.split("|")[1])
    }

    assert named == {f"SPECTRAL_{name.upper()}" for name in Settings.model_fields}
