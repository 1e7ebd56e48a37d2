"""Bodies that are nearly JSON, made readable: what one value is written like must not cost the rest of a batch.

Encoders write doubles that are no numbers bare, cut texts within an emoji or within a character, and nest values deeper than a
parser goes. Parsing is tried first; only what is refused is looked at here.
"""

import re

DEEPEST_DOCUMENT = 300
"""Values nested deeper become null. Attributes may be 64 levels deep, each up to four levels of JSON, in a dozen around them."""
TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[{]|[\]}]|NaN|-?Infinity', re.DOTALL)
"""A string, a bracket, or a number that is none. A string without an end is one token too, so that it is looked through once."""
ESCAPE = re.compile(
    r"""(?P<whole> \\u d[89ab][0-9a-f]{2} \\u d[c-f][0-9a-f]{2} | \\u (?!d[89a-f]) | \\[^u] ) | \\u d[89a-f][0-9a-f]{2}""",
    re.IGNORECASE | re.VERBOSE,
)
"""One escape in a string; ``whole`` unless it is half of a surrogate pair."""


def mended(body: bytes) -> str:
    """The text of a body with everything replaced that a parser refuses and that can be told from the rest."""
    text = body.decode("utf-8-sig", "replace")
    pieces: list[str] = []
    depth = kept = 0
    for token in TOKEN.finditer(text):
        written = token[0]
        if written in {"[", "{"}:
            depth += 1
            if depth == DEEPEST_DOCUMENT + 1:
                pieces += [text[kept : token.start()], "null"]
                kept = len(text)
        elif written in {"]", "}"}:
            if depth == DEEPEST_DOCUMENT + 1:
                kept = token.end()
            depth -= 1
        elif depth <= DEEPEST_DOCUMENT:
            pieces += [text[kept : token.start()], _string(written)]
            kept = token.end()
    return "".join(pieces) + text[kept:]


def _string(written: str) -> str:
    if not written.startswith('"'):
        return f'"{written}"'
    return ESCAPE.sub(lambda escape: escape["whole"] or r"\ufffd", written) if "\\u" in written else written
