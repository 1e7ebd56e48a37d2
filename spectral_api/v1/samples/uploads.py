"""Reading the samples of a request: a JSON array, or a JSONL or CSV file in a form, which lies on disk until it is stored."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import Headers, UploadFile
from starlette.types import Scope

from spectral_api.idempotency import KEY_HEADER
from spectral_api.v1.samples.schemas import EXAMPLE
from spectral_platform.core.access import Caller
from spectral_platform.core.database import Database
from spectral_platform.core.errors import UnsupportedMediaTypeError
from spectral_platform.samples.content import SampleContent
from spectral_platform.samples.parsing import Line, read_array, read_csv, read_jsonl

FILE_FIELD = "file"
PATH = re.compile(r"/api/v1/workspaces/[^/]+/samples/sets/[^/]+/samples")
READERS = {".jsonl": read_jsonl, ".ndjson": read_jsonl, ".csv": read_csv}
REQUEST_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"type": "array", "items": SampleContent.model_json_schema()},
            "examples": {"samples": {"value": [EXAMPLE]}},
        },
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": [FILE_FIELD],
                "properties": {
                    FILE_FIELD: {
                        "type": "string",
                        "format": "binary",
                        "description": "A `.jsonl` file with one sample a line, or a `.csv` file with a header: `input` (or "
                        "`input.<variable>` columns), `expected_output`, `context`, `tags` (separated by commas), `weight`, "
                        "`source_trace_id`, `metadata.<name>`; what text cannot say as JSON in `input_json`, `tags_json` and "
                        "`metadata_json`. UTF-8, with or without a byte order mark.",
                    }
                },
            }
        },
    },
}


class SamplesMediaTypeUnsupported(UnsupportedMediaTypeError):
    """Samples come as JSON or as a file in a multipart form."""

    def __init__(self, media_type: str) -> None:
        super().__init__(f"Send application/json or multipart/form-data, not {media_type or 'a body without a type'}.")


def carries_file(scope: Scope) -> bool:
    """Whether a request hands in a file of samples, which may be larger than other bodies because no process holds all of it.

    With an ``Idempotency-Key`` the body is compared with an earlier one, and for that it has to be held.
    """
    if scope["method"] != "POST" or not PATH.fullmatch(scope["path"]):
        return False
    headers = Headers(scope=scope)
    return headers.get("Content-Type", "").lower().startswith("multipart/form-data") and KEY_HEADER not in headers


@asynccontextmanager
async def received(
    request: Request, caller: Caller, session: AsyncSession, database: Database
) -> AsyncIterator[tuple[AsyncSession, Iterator[Line]]]:
    """The lines of the request's body, each a sample or the reason why it is none, and a session to store them with.

    The transaction in which the caller was let in ends before the body is waited for, and another one begins when all of it is
    there: a slow sender must hold no connection. Only where the request holds an idempotency key there is no other, because the
    body has come already.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in {"application/json", "multipart/form-data"}:
        raise SamplesMediaTypeUnsupported(media_type)
    is_held = hasattr(request.state, "held")
    if not is_held:
        await session.rollback()
    async with _lines(request, media_type) as lines:
        if is_held:
            yield session, lines
            return
        async with database.transaction(account_id=caller.account_id, workspace_id=caller.workspace) as fresh:
            yield fresh, lines


@asynccontextmanager
async def _lines(request: Request, media_type: str) -> AsyncIterator[Iterator[Line]]:
    if media_type == "application/json":
        yield await asyncio.to_thread(_read_json, await request.body())
        return
    async with request.form(max_files=1, max_fields=0) as form:
        upload = form.get(FILE_FIELD)
        if not isinstance(upload, UploadFile):
            raise _refusal(FILE_FIELD, message="A file is required", kind="missing")
        reader = next((READERS[suffix] for suffix in READERS if (upload.filename or "").lower().endswith(suffix)), None)
        if reader is None:
            raise _refusal(FILE_FIELD, message="The file's name should end in .jsonl or .csv", kind="file_type")
        yield reader(upload.file)


def _read_json(body: bytes) -> Iterator[Line]:
    try:
        items = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _refusal(message=f"JSON decode error: {error.msg}", kind="json_invalid") from error
    if not isinstance(items, list):
        raise _refusal(message="Input should be a valid list", kind="list_type")
    return read_array(items)


def _refusal(*place: str, message: str, kind: str) -> RequestValidationError:
    return RequestValidationError([{"loc": ("body", *place), "msg": message, "type": kind}])
