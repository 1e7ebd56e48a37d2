"""Every operation of the application, as its own routes tell."""

import re
from dataclasses import dataclass, field

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts

from spectral_api.app import create_app
from spectral_api.routing import gate
from spectral_platform.core.database import Database
from spectral_platform.core.settings import Environment, Settings

OF_OTHER_PROTOCOLS = {
    "/otel/v1/traces",
    "/v1/traces",
    "/ofrep/v1/evaluate/flags",
    "/ofrep/v1/evaluate/flags/{key}",
}
"""Paths whose POST answers errors as its own protocol says, not with problem documents."""


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    is_documented: bool
    scopes: list[str] | None
    """One of these is needed; None for a public operation, empty where any credential will do."""
    dependant: Dependant | None = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def parameters(self) -> list[str]:
        """The names in the path."""
        return re.findall(r"{(\w+)}", self.path)

    @property
    def answers_problems(self) -> bool:
        return not (self.method == "POST" and self.path in OF_OTHER_PROTOCOLS)


def operations_of(app: FastAPI) -> list[Operation]:
    """What the application answers, mounted files aside."""
    found = []
    for context in iter_route_contexts(app.routes):
        documented = isinstance(context.original_route, APIRoute)
        dependant = context.dependant if documented else None
        entrance = gate(dependant) if dependant else None
        for method in sorted((context.methods or set()) - {"HEAD"}):
            found.append(
                Operation(
                    method=method,
                    path=str(context.path).replace(":path}", "}"),  # as the document has it
                    is_documented=documented and context.include_in_schema,
                    scopes=list(entrance.own_oauth_scopes or []) if entrance else None,
                    dependant=dependant,
                )
            )
    return found


def documented_app() -> FastAPI:
    """The application without a database: enough to read its routes and documents."""
    return create_app(Settings(environment=Environment.DEVELOPMENT), Database("postgresql://localhost"))


OPERATIONS = operations_of(documented_app())
PROTECTED = [operation for operation in OPERATIONS if operation.scopes is not None]
