"""The mark that the simulator puts into every text it answers as an agent, so that no simulated text passes as real.

Free text ends in a run of zero-width characters, which trimming and copying keep. In a JSON object the mark is white
space behind the opening brace, which the format ignores. ``unmarked`` gives the text that an evaluator judges.
"""

_ZERO_WIDTH = "\u2063\u200b\u2063\u2063"
_IN_JSON = "\t \t"


def marked(text: str) -> str:
    """The text with the mark."""
    if text.startswith("{"):
        return "{" + _IN_JSON + text[1:]
    return text + _ZERO_WIDTH


def is_watermarked(text: str) -> bool:
    """Whether the text carries the mark of the simulator."""
    return _ZERO_WIDTH in text or text.lstrip().startswith("{" + _IN_JSON)


def unmarked(text: str) -> str:
    """The text without the mark; a text without one comes back as it is."""
    return text.replace(_ZERO_WIDTH, "").replace("{" + _IN_JSON, "{", 1)
