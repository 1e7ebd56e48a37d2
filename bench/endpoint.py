"""An OpenAI-compatible endpoint of a measurement's own: a process that lets each call wait the same time and then has it played.

The simulator answers, so that scans find something to improve; the time that this takes is part of the wait.
"""

import asyncio
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import orjson
from aiohttp import web

from spectral_platform.llm.messages import Message, ModelRequest, Role
from spectral_platform.llm.providers.simulator import SimulatorProvider

START_SECONDS = 60


def serve(told: Connection, latency_s: float) -> None:
    """Answer until the process is ended; the port is told through the pipe."""
    asyncio.run(_serve(told, latency_s))


async def _serve(told: Connection, latency_s: float) -> None:
    simulator = SimulatorProvider()

    async def chat(request: web.Request) -> web.Response:
        due = time.monotonic() + latency_s
        answer = await _play(simulator, orjson.loads(await request.read()))
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        return web.Response(body=orjson.dumps(answer), content_type="application/json")

    app = web.Application()
    app.router.add_post("/v1/chat/completions", chat)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    told.send(runner.addresses[0][1])
    await asyncio.Event().wait()


async def _play(simulator: SimulatorProvider, body: dict[str, Any]) -> dict[str, Any]:
    wanted = body.get("response_format") or {}
    answer = await simulator.complete(
        ModelRequest(
            model=f"sim/{body['model']}",
            messages=tuple(Message(role=Role(said["role"]), content=said["content"]) for said in body["messages"]),
            max_output_tokens=body["max_tokens"],
            temperature=body.get("temperature"),
            top_p=body.get("top_p"),
            seed=body.get("seed"),
            json_schema=wanted.get("json_schema", {}).get("schema"),
        )
    )
    message = {"role": "assistant", "content": answer.text}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": answer.finish_reason}],
        "usage": {
            "prompt_tokens": answer.input_tokens,
            "completion_tokens": answer.output_tokens,
            "total_tokens": answer.input_tokens + answer.output_tokens,
        },
    }


@contextmanager
def answering(latency_s: float) -> Iterator[str]:
    """The endpoint's base URL; each call takes so many seconds."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, latency_s), daemon=True)
    process.start()
    try:
        if not ours.poll(START_SECONDS):
            raise TimeoutError("the endpoint did not start")
        yield f"http://127.0.0.1:{ours.recv()}/v1"
    finally:
        process.kill()
        process.join()
