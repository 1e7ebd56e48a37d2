"""Reading the samples of a request: a JSON array, or a JSONL or CSV file in a form."""

import asyncio
from typing import Any

import orjson
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import UploadFile

from spectral_api.v1.samples.schemas import EXAMPLE
from spectral_platform.core.errors import UnsupportedMediaTypeError
from spectral_platform.samples.content import SampleContent
from spectral_platform.samples.parsing import Line, read_array, read_csv, read_jsonl

FILE_FIELD = "file"
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
                        "`source_trace_id`, `metadata.<name>`.",
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


async def read_lines(request: Request) -> list[Line]:
    """The lines of the request's body, each a sample or the reason why it is none."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/json":
        return await asyncio.to_thread(_read_json, await request.body())
    if media_type != "multipart/form-data":
        raise SamplesMediaTypeUnsupported(media_type)
    async with request.form(max_files=1, max_fields=0) as form:
        upload = form.get(FILE_FIELD)
        if not isinstance(upload, UploadFile):
            raise _refusal(FILE_FIELD, message="A file is required", kind="missing")
        reader = next((READERS[suffix] for suffix in READERS if (upload.filename or "").lower().endswith(suffix)), None)
        if reader is None:
            raise _refusal(FILE_FIELD, message="The file's name should end in .jsonl or .csv", kind="file_type")
        content = await upload.read()
    return await asyncio.to_thread(lambda: list(reader(content)))


def _read_json(body: bytes) -> list[Line]:
    try:
        items = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _refusal(message=f"JSON decode error: {error.msg}", kind="json_invalid") from error
    if not isinstance(items, list):
        raise _refusal(message="Input should be a valid list", kind="list_type")
    return list(read_array(items))


def _refusal(*place: str, message: str, kind: str) -> RequestValidationError:
    return RequestValidationError([{"loc": ("body", *place), "msg": message, "type": kind}])
