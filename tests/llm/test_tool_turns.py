"""A chat in which tools have answered, as each provider's protocol writes it."""

import json
from base64 import b64encode

from starlette.responses import JSONResponse, Response

from spectral_platform.llm.messages import Message, ModelRequest, Role, ToolCall
from spectral_platform.llm.providers.anthropic import AnthropicProvider
from spectral_platform.llm.providers.google import GoogleProvider
from spectral_platform.llm.providers.openai_compatible import OpenAICompatibleProvider
from tests.fixtures.llm import AGENT, ModelServer

SIGNATURE = b64encode(b"thought").decode()
FIND = ToolCall(name="find", arguments={"z": 1, "id": "A-17"}, id="call00000", signature=SIGNATURE)
STOCK = ToolCall(name="stock", id="call00001")
CHAT = (
    Message(role=Role.SYSTEM, content="Help."),
    Message(role=Role.USER, content="Where is A-17?"),
    Message(role=Role.ASSISTANT, content="", tool_calls=(FIND, STOCK)),
    Message(role=Role.TOOL, content='{"status": "sent"}', tool_calls=(FIND,)),
    Message(role=Role.TOOL, content="none", tool_calls=(STOCK,)),
)


def asked(model: str) -> ModelRequest:
    return ModelRequest(model=model, messages=CHAT, max_output_tokens=50)


async def test_openai_is_told_which_call_a_tool_answers(model_server: ModelServer) -> None:
    async with OpenAICompatibleProvider(base_url=model_server.url, api_key=None, timeout_s=30) as provider:
        await provider.complete(asked(AGENT))

    calling, *results = model_server.bodies[0]["messages"][2:]
    assert calling["content"] is None
    functions = [
        (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calling["tool_calls"]
    ]
    assert functions == [("call00000", "find", {"id": "A-17", "z": 1}), ("call00001", "stock", {})]
    assert results == [
        {"role": "tool", "content": '{"status": "sent"}', "tool_call_id": "call00000"},
        {"role": "tool", "content": "none", "tool_call_id": "call00001"},
    ]


async def test_anthropic_gets_the_results_of_one_turn_together(model_server: ModelServer) -> None:
    model_server.fault = lambda number, body: _said_by_anthropic()
    async with AnthropicProvider(base_url=model_server.root, api_key="secret", timeout_s=30) as provider:
        await provider.complete(asked(f"anthropic/{AGENT}"))

    assert model_server.bodies[0]["messages"] == [
        {"role": "user", "content": "Where is A-17?"},
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": "call00000", "name": "find", "input": {"id": "A-17", "z": 1}},
                {"type": "tool_use", "id": "call00001", "name": "stock", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call00000", "content": '{"status": "sent"}'},
                {"type": "tool_result", "tool_use_id": "call00001", "content": "none"},
            ],
        },
    ]


async def test_google_gets_its_thoughts_signature_back_with_the_call(model_server: ModelServer) -> None:
    called = {"functionCall": {"name": "find", "args": {"id": "A-17"}}, "thoughtSignature": SIGNATURE}
    model_server.fault = lambda number, body: JSONResponse({"candidates": [{"content": {"role": "model", "parts": [called]}}]})
    async with GoogleProvider(base_url=model_server.root, api_key="secret", timeout_s=30) as provider:
        answer = await provider.complete(asked(f"google/{AGENT}"))

    assert [call.signature for call in answer.tool_calls] == [SIGNATURE]
    question, calling, results = model_server.bodies[0]["contents"]
    assert question["role"] == results["role"] == "user"
    assert calling["parts"][0]["thoughtSignature"] == SIGNATURE
    assert [part["functionCall"]["name"] for part in calling["parts"]] == ["find", "stock"]
    assert [part["functionResponse"] for part in results["parts"]] == [
        {"name": "find", "response": {"output": '{"status": "sent"}'}},
        {"name": "stock", "response": {"output": "none"}},
    ]


def test_what_tools_were_asked_and_answered_is_reserved_for() -> None:
    plain = Message(role=Role.ASSISTANT, content="")
    called = plain.model_copy(update={"tool_calls": (FIND,)})

    assert called.size >= len(FIND.arguments_text) + len(FIND.name) + len(FIND.id) + len(SIGNATURE)
    assert plain.model_dump() == {"role": Role.ASSISTANT, "content": ""}  # so that calls keep their keys


def _said_by_anthropic() -> Response:
    usage = {"input_tokens": 1, "output_tokens": 1}
    content = [{"type": "text", "text": "It was sent."}]
    return JSONResponse(
        {"id": "m", "type": "message", "role": "assistant", "model": AGENT, "content": content, "stop_reason": "end_turn"}
        | {"stop_sequence": None, "usage": usage}
    )
