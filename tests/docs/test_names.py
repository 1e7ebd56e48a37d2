"""What the pages name exists: files, variables, commands and routes."""

import re
from pathlib import Path

import pytest

from spectral_api.cli import MODULES
from spectral_platform.core.settings import Settings
from tests.contract.documents import DOCUMENT

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md")]
OF_CLIENTS = {f"SPECTRAL_{name}" for name in ("URL", "EMAIL", "PASSWORD", "WORKSPACE_ID", "AGENT_ID", "API_KEY")}
VARIABLES = {f"SPECTRAL_{name.upper()}" for name in Settings.model_fields} | OF_CLIENTS
ROUTES = [(method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item] + [("GET", "/metrics")]


def is_served(method: str, path: str) -> bool:
    """Whether a page means a route: names of parameters are its own, and it may leave the beginning out."""
    end = re.sub(r"\\\{\w+\\\}", r"\\{\\w+\\}", re.escape("/" + re.sub(r"^(W|\.\.\.|…)?/", "", path).partition("?")[0]))
    return any(known == method and re.search(f"{end}$", route) for known, route in ROUTES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_everything_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text()
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if not link.startswith("http")]
    files = re.findall(r"`((?:tests|docs|bench|spectral_api|spectral_platform|migrations|examples)/[\w./-]+)", text)
    modules = [f"{name.replace('.', '/')}.py" for name in re.findall(r"python -m (bench\.\w+)", text)]

    assert [link for link in links if not (page.parent / link).exists()] == []
    assert [file for file in files + modules if not (ROOT / file).exists()] == []
    assert set(re.findall(r"SPECTRAL_[A-Z_]*[A-Z]\b(?!_)", text)) - VARIABLES == set()
    assert set(re.findall(r"\bspectral ([a-z][a-z-]+)\b", text)) - MODULES.keys() == set()
    assert [each for each in re.findall(r"`(GET|POST|PUT|PATCH|DELETE) ([^`\s]+)", text) if not is_served(*each)] == []
