"""Swagger UI at `/docs` and ReDoc at `/redoc`, which load nothing from any other server."""

import base64
import hashlib
import re
from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

ASSETS = Path(__file__).parent / "assets"
ASSETS_PATH = "/docs/assets"

SWAGGER_PARAMETERS = {
    "persistAuthorization": True,
    "docExpansion": "none",
    "filter": True,
    "displayRequestDuration": True,
    "validatorUrl": None,  # else the document's address is sent to a public validator
}

FOLLOW_SCHEME = b"""<script>
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();
</script>"""

# ReDoc indexes the document in a worker that it makes from a blob, and both pages style elements as they draw them.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'{inline}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def mount_documentation(app: FastAPI) -> None:
    """Serve both pages and their assets; the pages show the application's own OpenAPI document."""

    async def swagger_ui(request: Request) -> HTMLResponse:
        root = _root(request)
        page = get_swagger_ui_html(
            openapi_url=f"{root}{app.openapi_url}",
            title=f"{app.title} API",
            swagger_js_url=f"{root}{ASSETS_PATH}/swagger-ui-bundle.js",
            swagger_css_url=f"{root}{ASSETS_PATH}/swagger-ui.css",
            swagger_favicon_url=f"{root}{ASSETS_PATH}/favicon-32x32.png",
            swagger_ui_parameters=SWAGGER_PARAMETERS,
        )
        return _guarded(_following_scheme(page))

    async def redoc(request: Request) -> HTMLResponse:
        root = _root(request)
        page = get_redoc_html(
            openapi_url=f"{root}{app.openapi_url}",
            title=f"{app.title} API reference",
            redoc_js_url=f"{root}{ASSETS_PATH}/redoc.standalone.js",
            redoc_favicon_url=f"{root}{ASSETS_PATH}/favicon-32x32.png",
            with_google_fonts=False,
        )
        return _guarded(page)

    app.mount(ASSETS_PATH, StaticFiles(directory=ASSETS), name="documentation assets")
    app.add_route("/docs", swagger_ui, include_in_schema=False)
    app.add_route("/redoc", redoc, include_in_schema=False)


def _root(request: Request) -> str:
    """The path under which a proxy publishes the application."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def _following_scheme(page: HTMLResponse) -> HTMLResponse:
    """The page of Swagger UI in the reader's choice of dark or light, which it leaves to a bar that is not shown."""
    return HTMLResponse(bytes(page.body).replace(b"</head>", FOLLOW_SCHEME + b"</head>", 1))


def _guarded(page: HTMLResponse) -> HTMLResponse:
    """Allow a page its own scripts, by address or by hash, and nothing else."""
    inline = re.findall(rb"<script>(.*?)</script>", bytes(page.body), re.DOTALL)
    hashes = (f" 'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'" for script in inline)
    page.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY.format(inline="".join(hashes))
    return page
