"""``Idempotency-Key``: a POST that is sent again with the same key is answered again and not carried out again."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from python_multipart.multipart import parse_options_header
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction

from spectral_api.problems import MEDIA_TYPE, problems, render, status_of
from spectral_platform.audit.accountability import forget_entries
from spectral_platform.core.access import Caller
from spectral_platform.core.database import Database
from spectral_platform.core.errors import SpectralError
from spectral_platform.idempotency.claims import Answer, Claim
from spectral_platform.idempotency.commands import claim_request, give_up_claim, keep_answer, keep_claim
from spectral_platform.idempotency.errors import IdempotencyKeyReused, RequestInProgress

KEY_HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotent-Replayed"
LONGEST_KEY = 255
KEPT_REFUSALS = {400, 404, 412}
"""Refusals by rules: they are the operation's answer. Others say nothing about it and may differ the next time."""
NOT_KEPT_HEADERS = {"content-length", "set-cookie"}
WITHOUT_KEYS = {
    "create_traces": "Spans are stored once by their own ids.",
    "export_traces": "Spans are stored once by their own ids.",
    "evaluate_flag": "Its protocol is OpenFeature's, and it only reads.",
    "evaluate_flags": "Its protocol is OpenFeature's, and it only reads.",
    "create_chat_completion": "Its protocol is OpenAI's, and its answer may be a stream.",
}
"""POSTs outside of authentication that take no key, with the reason."""


def takes_key(method: str, path: str, endpoint: str) -> bool:
    """Whether an endpoint takes an ``Idempotency-Key``; ``path`` may be a real one or a template."""
    in_reach = path.startswith("/api/v1/") and not path.startswith("/api/v1/auth/")
    return method == "POST" and in_reach and endpoint not in WITHOUT_KEYS


@dataclass(slots=True)
class Held:
    """A request that this transaction carries out: everything after the claim can be undone without giving that up."""

    session: AsyncSession
    claim: Claim
    operation: AsyncSessionTransaction


@dataclass(frozen=True, slots=True)
class HeldBeyond:
    """A request that is carried out in transactions of its own, and whose claim is kept until it has its answer."""

    database: Database
    claim: Claim


class AnsweredBefore(Exception):
    """The request was carried out before; carries that answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


async def read_key(request: Request) -> None:
    """Note the request's key and everything that must not differ when it comes again. Raises the 422 for a malformed key."""
    key = request.headers.get(KEY_HEADER)
    if key is None:
        return
    if not 1 <= len(key) <= LONGEST_KEY or not all("!" <= character <= "~" for character in key):
        fault = {"loc": ("header", KEY_HEADER), "msg": "Use 1 to 255 visible ASCII characters", "type": "idempotency_key"}
        raise RequestValidationError([fault])
    request.state.idempotency_key = key
    await request.body()  # and remember it: some endpoints read it as a stream


async def hold_request(request: Request, session: AsyncSession, caller: Caller) -> None:
    """Claim a request that came with a key for the caller. Raises ``AnsweredBefore`` if there is an answer already."""
    key = getattr(request.state, "idempotency_key", None)
    if key is None or hasattr(request.state, "held"):
        return
    claim = Claim.of(
        request.app.state.settings,
        caller,
        method=request.method,
        path=request.url.path,
        key=key,
        request=await _what_is_asked(request),
    )
    if answer := await claim_request(session, claim):
        raise AnsweredBefore(answer)
    request.state.held = Held(session, claim, await session.begin_nested())


async def hold_beyond(request: Request, database: Database) -> None:
    """Hold a claimed request on, now that the transaction in which it was claimed is over. Raises what claiming it raises."""
    held: Held | None = getattr(request.state, "held", None)
    if held is None:
        return
    del request.state.held
    async with database.transaction() as session:
        if answer := await claim_request(session, held.claim):
            raise AnsweredBefore(answer)
        await keep_claim(session, held.claim)
    request.state.held = HeldBeyond(database, held.claim)


async def _what_is_asked(request: Request) -> bytes:
    """Everything of a request that says what it wants: parameters, the version that it is for, and the body.

    The boundary between parts of a form is none of it: clients draw a new one each time that they send the form.
    """
    _, options = parse_options_header(request.headers.get("Content-Type"))
    body, boundary = await request.body(), options.get(b"boundary")
    if boundary:
        body = body.replace(boundary, b"")
    versions = ",".join(request.headers.getlist("If-Match"))
    return b"\n".join((request.url.query.encode(), versions.encode(), body))


async def answer_once(request: Request, handle: Callable[[Request], Awaitable[Response]]) -> Response:
    """Handle the request, or replay the answer that it had before; an answer that settles it is kept in its transaction."""
    try:
        response = await handle(request)
    except AnsweredBefore as before:
        return replayed(before.answer)
    except SpectralError as refusal:
        held: Held | HeldBeyond | None = getattr(request.state, "held", None)
        if held is None or status_of(refusal) not in KEPT_REFUSALS:
            await give_up(held)
            raise
        if isinstance(held, Held):
            await held.operation.rollback()
            forget_entries(held.session)
        response = render(request, refusal)
        await keep(held, response)
        return response
    except BaseException:
        await give_up(getattr(request.state, "held", None))
        raise
    held = getattr(request.state, "held", None)
    if isinstance(held, Held):
        await held.operation.commit()
    if held is not None:
        if response.status_code < 400 or response.status_code in KEPT_REFUSALS:
            await keep(held, response)
        else:
            await give_up(held)
    return response


async def keep(held: Held | HeldBeyond, response: Response) -> None:
    """Keep an answer."""
    headers = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers)
    told = tuple((name, value) for name, value in headers if name not in NOT_KEPT_HEADERS)
    answer = Answer.of(response.status_code, told, bytes(response.body))
    if isinstance(held, Held):
        await keep_answer(held.session, held.claim, answer)
        return
    async with held.database.transaction() as session:
        await keep_answer(session, held.claim, answer)


async def give_up(held: Held | HeldBeyond | None) -> None:
    """Let the request be carried out another time. What was claimed in a transaction is given up with that."""
    if isinstance(held, HeldBeyond):
        async with held.database.transaction() as session:
            await give_up_claim(session, held.claim)


def replayed(answer: Answer) -> Response:
    """The kept answer, which says that it is one."""
    response = Response(answer.body, status_code=answer.status)
    for name, value in answer.headers:
        response.headers[name] = value
    response.headers[REPLAYED_HEADER] = "true"
    return response


def document_key(operation: dict[str, Any]) -> None:
    """Say in the OpenAPI document of an endpoint that it takes a key."""
    operation.setdefault("parameters", []).append(
        {
            "name": KEY_HEADER,
            "in": "header",
            "required": False,
            "description": "Any text of your own. For 24 hours the same request with the same key is answered again, with"
            f" `{REPLAYED_HEADER}: true`, and not carried out again.",
            "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY, "pattern": "^[!-~]+$"},
        }
    )
    for status, refusal in problems(RequestInProgress, IdempotencyKeyReused, validation=False).items():
        told = operation["responses"].setdefault(str(status), {"description": refusal["description"], "content": {}})
        examples = told["content"].setdefault(MEDIA_TYPE, refusal["content"][MEDIA_TYPE]).setdefault("examples", {})
        examples |= refusal["content"][MEDIA_TYPE]["examples"]
