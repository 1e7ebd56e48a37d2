"""Endpoints of the simulator, in the form of OpenAI's API."""

from typing import Annotated, Any

from fastapi import Response, Security

from spectral_api.problems import problems
from spectral_api.routing import Router
from spectral_api.security import WORKSPACE_PARAMETER, authenticate_by_header
from spectral_api.simulator import schemas, streaming
from spectral_api.v1.refusals import IN_WORKSPACE_OF_HEADER
from spectral_platform.core import clock
from spectral_platform.core.access import Caller, Scope
from spectral_platform.core.errors import BusinessRuleViolationError, NotFoundError
from spectral_platform.llm.messages import Message, ModelAnswer, ModelRequest, Role
from spectral_platform.llm.providers.simulator import SimulatorProvider
from spectral_platform.llm.providers.simulator.models import AGENT_MODELS, count_tokens

CONTEXT_TOKENS = 32_768
"""What the simulator reads at most. Reading costs the server's own time, so there is an end to it."""
SIMULATED_HEADER = "X-Spectral-Simulated"
ANNOUNCED = {SIMULATED_HEADER: {"description": "No model was asked.", "schema": {"type": "string", "const": "true"}}}
ROLES = {"system": Role.SYSTEM, "developer": Role.SYSTEM, "user": Role.USER, "assistant": Role.ASSISTANT}

router = Router(prefix="/simulator/v1", tags=["Simulator"])
Reader = Annotated[Caller, Security(authenticate_by_header, scopes=[Scope.READ_AGENTS, Scope.READ_WORKSPACE])]


class SimulatedModelNotFound(NotFoundError):
    """The simulator has no such agent model."""

    def __init__(self) -> None:
        super().__init__(f"The simulator has no such agent model; it has {' and '.join(AGENT_MODELS)}.")


class ContextExceeded(BusinessRuleViolationError):
    """The chat is longer than the simulator reads."""

    def __init__(self, tokens: int) -> None:
        super().__init__(f"The chat has {tokens} tokens, and the simulator reads {CONTEXT_TOKENS}.", limit_tokens=CONTEXT_TOKENS)


@router.get(
    "/models",
    summary="List the simulator's models",
    responses=problems(*IN_WORKSPACE_OF_HEADER) | {200: {"headers": ANNOUNCED}},
    openapi_extra={"parameters": [WORKSPACE_PARAMETER]},
)
async def list_simulated_models(caller: Reader, response: Response) -> schemas.ModelList:
    """List the models that the simulator plays for agents, as `GET /v1/models` of OpenAI does.

    `sim/mini` is cheaper, faster and less reliable than `sim/standard`.
    """
    response.headers[SIMULATED_HEADER] = "true"
    return schemas.ModelList(data=[schemas.Model(id=name) for name in AGENT_MODELS])


# Not a coroutine, so that it runs in a thread: reading a long chat takes a while.
@router.post(
    "/chat/completions",
    response_model=schemas.ChatCompletion,
    summary="Complete a chat (simulated)",
    responses=problems(*IN_WORKSPACE_OF_HEADER, SimulatedModelNotFound, ContextExceeded)
    | {
        200: {
            "headers": ANNOUNCED,
            "content": {streaming.MEDIA_TYPE: {"schema": {"type": "string"}, "example": streaming.EXAMPLE}},
        }
    },
    openapi_extra={"parameters": [WORKSPACE_PARAMETER]},
)
def create_chat_completion(body: schemas.ChatCompletionCreate, caller: Reader, response: Response) -> Any:
    """Let the simulator answer a chat, as `POST /v1/chat/completions` of OpenAI does. No model is asked, and nothing is billed.

    Any client of OpenAI's works: `base_url` is this server's `/simulator/v1`, `api_key` an API key of a workspace (`sk_live_…`).
    A user's token needs the header `X-Workspace-Id`.

    The simulator behaves as its system prompt says, with the luck of a model: what the prompt asks for happens more often, and
    nothing always. It answers from documents written `[ID] Title: text`, one to a line. The same request has the same answer;
    another `seed` draws another. Every answer says that it is simulated: in the body, in the header `X-Spectral-Simulated`, and
    by an invisible mark at the end of its text.

    Parameters that change what an answer holds and that the simulator cannot follow, such as `n` above 1, `logprobs` or a forced
    `tool_choice`, are refused; parameters without effect on it, such as `user` or `tools`, are taken. With `stream` the answer
    comes as server-sent events that end in `[DONE]`.
    """
    if body.model not in AGENT_MODELS:
        raise SimulatedModelNotFound
    request = requested(body)
    tokens = sum(count_tokens(message.content) for message in request.messages)
    if tokens > CONTEXT_TOKENS:
        raise ContextExceeded(tokens)
    completion = completed(body.model, SimulatorProvider().answer(request))
    if body.stream:
        with_usage = body.stream_options is not None and body.stream_options.include_usage is True
        events = streaming.render_events(completion, with_usage=with_usage)
        return Response(events, media_type=streaming.MEDIA_TYPE, headers={SIMULATED_HEADER: "true"})
    response.headers[SIMULATED_HEADER] = "true"
    return completion


def requested(body: schemas.ChatCompletionCreate) -> ModelRequest:
    """The chat as providers take it; without a cap the answer may be as long as it gets."""
    return ModelRequest(
        model=body.model,
        messages=tuple(Message(role=ROLES[message.role], content=message.text) for message in body.messages),
        max_output_tokens=body.max_completion_tokens or body.max_tokens or CONTEXT_TOKENS,
        temperature=body.temperature,
        top_p=body.top_p,
        seed=body.seed,
        stop=(body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ()),
        json_schema=wanted_schema(body.response_format),
    )


def wanted_schema(form: schemas.ResponseFormat | None) -> dict[str, Any] | None:
    """The JSON Schema of the answer; an empty one where any object will do, None for free text."""
    match form:
        case schemas.JsonSchemaFormat(json_schema=named):
            return dict(named.json_schema)
        case schemas.JsonObjectFormat():
            return {}
        case _:
            return None


def completed(model: str, answer: ModelAnswer) -> schemas.ChatCompletion:
    """The answer as OpenAI's API gives it."""
    return schemas.ChatCompletion(
        id=f"chatcmpl-{clock.new_id()}",
        created=int(clock.now().timestamp()),
        model=model,
        choices=[schemas.Choice(message=schemas.Answer(content=answer.text), finish_reason=answer.finish_reason)],
        usage=schemas.Usage(
            prompt_tokens=answer.input_tokens,
            completion_tokens=answer.output_tokens,
            total_tokens=answer.input_tokens + answer.output_tokens,
        ),
    )
