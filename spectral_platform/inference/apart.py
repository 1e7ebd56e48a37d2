"""Infers in a process of its own, so that neither the time nor the memory that it takes is the server's.

Prompts are anybody's texts. A process can be ended when it takes too long, has a limit on its memory, and leaves alone the event
loop of the server, with which a thread would share the interpreter. It starts in a tenth of a second, for it loads little.
"""

import asyncio
import sys
from collections.abc import Sequence

import orjson
from pydantic import TypeAdapter

from spectral_platform.inference.errors import InferenceInterrupted
from spectral_platform.inference.inferring import Inference, Prompt

SECONDS = 60.0
AT_ONCE = 2
"""Inferences that run at the same time in one server process; further ones wait."""
COMMAND = (sys.executable, "-m", "spectral_platform.inference")

_FOUND = TypeAdapter(Inference)
_turn = asyncio.Semaphore(AT_ONCE)


async def infer_apart(prompts: Sequence[Prompt]) -> Inference:
    """What ``inferring.infer`` finds. Raises ``InferenceInterrupted`` when the process does not come to its end."""
    async with _turn:
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"PYTHONHASHSEED": "0", "PYTHONPATH": ":".join(filter(None, sys.path))},
        )
        order = await asyncio.to_thread(orjson.dumps, prompts)
        try:
            told, _ = await asyncio.wait_for(process.communicate(order), SECONDS)
        except TimeoutError:
            raise InferenceInterrupted(SECONDS) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    if process.returncode != 0:
        raise InferenceInterrupted(SECONDS)
    return _FOUND.validate_json(told)
