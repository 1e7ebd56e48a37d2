"""Which family of models a model belongs to, read off its name: relatives have the same blind spots."""

import re2

_FAMILIES = {
    family: re2.compile(rf"(?:^|[^a-z])(?:{pattern})")
    for family, pattern in {
        "GPT": r"gpt|chatgpt|o[1345](?:$|-)|davinci",
        "Claude": r"claude",
        "Gemini": r"gemini|gemma|palm|learnlm",
        "Llama": r"llama|vicuna|tulu|nemotron",
        "Mistral": r"mistral|mixtral|ministral|codestral|magistral|devstral|pixtral",
        "Qwen": r"qwen|qwq",
        "DeepSeek": r"deepseek",
        "Grok": r"grok",
        "Command": r"command|aya|cohere",
        "Phi": r"phi",
        "Nova": r"nova|titan",
        "Granite": r"granite",
        "GLM": r"glm",
        "Kimi": r"kimi|moonshot",
    }.items()
}


def model_family(model: str) -> str:
    """The family's name; a model of no known family is a family of its own, without its maker and version.

    A distilled or tuned model belongs to the one that it was made from, which its name says last.
    """
    name = model.lower().rsplit("/", 1)[-1]
    found = {family: match.start() for family, pattern in _FAMILIES.items() if (match := pattern.search(name)) is not None}
    return max(found, key=lambda family: found[family]) if found else name.partition(":")[0]
