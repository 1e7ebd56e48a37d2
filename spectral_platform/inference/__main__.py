"""The process that infers: it reads prompts as JSON from its standard input and writes what it found to its standard output."""

import resource
import sys

import orjson

from spectral_platform.inference.inferring import Prompt, infer

MOST_MEMORY = 3_000_000_000
MOST_SECONDS = 60


def main() -> None:
    """Infer once, within limits on memory and on processor time."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
    prompts = [
        Prompt(text=each["text"], said=each["said"], turns=tuple((role, text) for role, text in each["turns"]))
        for each in orjson.loads(sys.stdin.buffer.read())
    ]
    sys.stdout.buffer.write(orjson.dumps(infer(prompts)))


if __name__ == "__main__":
    main()
