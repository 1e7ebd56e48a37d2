"""The page on security points at tests that exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/security.md").read_text()
POINTER = re.compile(r"`(tests/[\w/]+(?:\.py)?)(?:::(\w+))?`")
RISKS = [f"API{number} " for number in range(1, 11)]


def functions_of(file: Path) -> set[str]:
    """The names of the tests in a file."""
    return {
        node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize("risk", RISKS)
def test_every_risk_of_the_list_is_held_by_a_test(risk: str) -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith(f"| {risk}")]

    assert len(rows) == 1
    assert POINTER.findall(rows[0])


@pytest.mark.parametrize(("path", "name"), sorted(set(POINTER.findall(PAGE))))
def test_every_test_that_the_page_names_exists(path: str, name: str) -> None:
    assert (ROOT / path).exists()
    assert not name or name in functions_of(ROOT / path)
