"""The house's rules that a machine can check."""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from spectral_platform.core.database import Base
from spectral_platform.tables import metadata

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for package in ("spectral_api", "spectral_platform") for path in (ROOT / package).rglob("*.py"))
LONGEST_FILE = 400
LONGEST_FUNCTION = 80
VAGUE_NAMES = {
    "utils",
    "util",
    "helpers",
    "helper",
    "manager",
    "managers",
    "service",
    "services",
    "base",
    "data",
    "info",
    "misc",
    "common",
}

# With the reason. May only shrink.
OPEN_TRANSACTIONS_OF_THEIR_OWN = {
    "spectral_api/demonstration.py": "no request",
    "spectral_api/health.py": "reads",
    "spectral_api/idempotency.py": "claims of requests and their answers, of which the request's own entry tells",
    "spectral_api/metrics.py": "reads",
    "spectral_api/routing.py": "reads",
    "spectral_api/v1/accounts/router.py": "reads a stream",
    "spectral_api/v1/samples/router.py": "reads a stream",
    "spectral_api/v1/samples/uploads.py": "on the database of `dependencies`, which checks, once the body has come",
}
MOVES_STATES = "spectral_platform/core/lifecycle.py"
STATEFUL = {mapper.class_.__module__ for mapper in Base.registry.mappers if hasattr(mapper.class_, "lifecycle")}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def rooms_of_states() -> set[Path]:
    """The folders of rooms whose rows have a lifecycle."""
    return {ROOT.joinpath(*module.split(".")).parent for module in STATEFUL}


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """All that a file's syntax tree is made of."""
    return tuple(ast.walk(ast.parse(path.read_text())))


def violations(paths: list[Path], breaks: Callable[[ast.AST], bool]) -> list[str]:
    """Where code breaks a rule, as file and line."""
    return [f"{name_of(path)}:{getattr(node, 'lineno', 0)}" for path in paths for node in nodes(path) if breaks(node)]


def catches_everything(node: ast.AST) -> bool:
    if not isinstance(node, ast.ExceptHandler):
        return False
    caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    return any(kind is None or (isinstance(kind, ast.Name) and kind.id in {"Exception", "BaseException"}) for kind in caught)


def swallows_everything(node: ast.AST) -> bool:
    """Whether everything is caught and not raised again."""
    return catches_everything(node) and not any(isinstance(each, ast.Raise) and each.exc is None for each in ast.walk(node))


def writes_status(node: ast.AST) -> bool:
    match node:
        case ast.Assign(targets=targets):
            return any(isinstance(each, ast.Attribute) and each.attr == "status" for each in targets)
        case ast.AnnAssign(target=ast.Attribute(attr="status")) | ast.AugAssign(target=ast.Attribute(attr="status")):
            return True
        case ast.Call(func=ast.Attribute(attr="values"), keywords=keywords):
            return any(keyword.arg == "status" for keyword in keywords)
        case ast.Call(func=ast.Name(id="setattr"), args=[_, ast.Constant(value="status"), *_]):
            return True
    return False


def knows_http_errors(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "HTTPException"


def declares_table(node: ast.AST) -> bool:
    return isinstance(node, ast.Assign) and any(
        isinstance(each, ast.Name) and each.id == "__tablename__" for each in node.targets
    )


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_rooms_import_only_downwards() -> None:
    ended = subprocess.run([Path(sys.executable).with_name("lint-imports")], cwd=ROOT, capture_output=True, text=True)

    assert ended.returncode == 0, ended.stdout


def test_only_the_lifecycle_moves_states() -> None:
    inside = [path for path in SOURCES if any(path.is_relative_to(room) for room in rooms_of_states())]

    assert violations(inside, writes_status) == []
    assert violations([ROOT / MOVES_STATES], writes_status) != [], "the rule no longer finds what it looks for"


def test_nothing_swallows_everything() -> None:
    passing_on = {ROOT / "spectral_platform" / path for path in ("llm/ledger.py", "traces/intake.py", "auth/verification.py")}

    assert violations([path for path in SOURCES if path not in passing_on], swallows_everything) == []
    assert len(violations(sorted(passing_on), swallows_everything)) == 3, "they hand every fault to those who wait for them"


def test_http_errors_stay_in_the_http_layer() -> None:
    platform = [path for path in SOURCES if name_of(path).startswith("spectral_platform/")]
    endpoints = [path for path in SOURCES if name_of(path).startswith("spectral_api/v1/")]

    assert violations(platform + endpoints, knows_http_errors) == []


@pytest.mark.parametrize("folder", ["spectral_api", "spectral_platform", "tests", "migrations"])
def test_files_are_short(folder: str) -> None:
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in (ROOT / folder).rglob("*.py")}

    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_functions_are_short() -> None:
    lengths = {
        f"{name_of(path)}:{function.name}": (function.end_lineno or 0) - function.lineno + 1
        for path in SOURCES
        for function in functions(path)
    }

    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


def test_no_file_has_a_vague_name() -> None:
    assert [name_of(path) for path in SOURCES if {path.stem, *path.relative_to(ROOT).parent.parts} & VAGUE_NAMES] == []


def test_every_table_is_in_the_metadata() -> None:
    mapped = {mapper.class_.__module__ for mapper in Base.registry.mappers}
    files = [path for path in SOURCES if any(map(declares_table, nodes(path)))]

    assert metadata.tables
    assert [name_of(path) for path in files if name_of(path).removesuffix(".py").replace("/", ".") not in mapped] == []


def opens_a_transaction(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "transaction"


def test_requests_open_transactions_in_one_place() -> None:
    """``dependencies.database_of`` sees to the audit log."""
    paths = [path for path in SOURCES if name_of(path).startswith("spectral_api/")]
    places = {each.split(":")[0] for each in violations(paths, opens_a_transaction)}

    assert places == {"spectral_api/dependencies.py", *OPEN_TRANSACTIONS_OF_THEIR_OWN}
