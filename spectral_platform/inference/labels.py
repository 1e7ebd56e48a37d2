"""Labels: what a line begins with that says what follows, such as ``Question:``, ``## History``, ``<context>`` or ``[1]``."""

from spectral_platform.inference.tokens import LINE, Keys, begins_line, is_letter, is_word

LONGEST_NAME = 8
LONGEST_HEADING = 8
LONGEST_ITEM = 4
LONGEST_LABELS = 8
BULLETS = frozenset("-*•–")
RULES = frozenset("=-_~*#")


def label_end(keys: Keys, start: int) -> int:
    """Behind which token the label ends that begins here; ``start`` itself where none does."""
    if start >= len(keys) or not begins_line(keys[start]):
        return start
    word = keys[start][1:]
    if word == "#" or (word in RULES and _at(keys, start + 1) == word):
        return _heading_end(keys, start)
    if word == "<":
        return _closed(keys, start, ">")
    if word == "[":
        return _closed(keys, start, "]")
    if word == "*" and _at(keys, start + 1) == "*":
        return _bold_end(keys, start)
    at = start + 1 if word in BULLETS else start
    for position in range(at, min(at + LONGEST_NAME, len(keys))):
        key = keys[position]
        if position > start and begins_line(key):
            return start
        if key == ":":
            return position + 1 if position > at else start
        if not is_word(key) and key not in {"(", ")"}:
            return start
    return start


def item_end(keys: Keys, start: int) -> int:
    """Behind which token ends what begins an item of a list: ``-``, ``1.``, ``[1]``, ``Document 1``; else ``start``."""
    if start >= len(keys) or not begins_line(keys[start]):
        return start
    word = keys[start][1:]
    if word in BULLETS and _at(keys, start + 1) != word:
        return start + 1
    if word.isdecimal():
        return start + 2 if _at(keys, start + 1) in {".", ")"} else start
    for position in range(start + 1, min(start + LONGEST_ITEM, len(keys))):
        if begins_line(keys[position]):
            return start
        if keys[position].isdecimal() or (is_letter(keys[position]) and _at(keys, position + 1) in {":", ".", ")"}):
            return position + 1
    return start


def last_item(keys: Keys) -> Keys:
    """The end of these tokens from where an item of a list begins, if that is on their last line."""
    for start in range(len(keys) - 1, max(-1, len(keys) - LONGEST_HEADING - 4), -1):
        if begins_line(keys[start]):
            return keys[start:] if item_end(keys, start) > start else ()
    return ()


def last_items(keys: Keys) -> list[Keys]:
    """The ends of these tokens from where an item of a list begins, on their last line or some lines above."""
    starts = range(len(keys) - 1, max(-1, len(keys) - LONGEST_HEADING - LONGEST_LABELS), -1)
    return [keys[start:] for start in starts if begins_line(keys[start]) and item_end(keys, start) > start]


def last_label(keys: Keys) -> Keys:
    """The label that these tokens end with; nothing where they end otherwise."""
    for start in range(len(keys) - 1, max(-1, len(keys) - LONGEST_HEADING - 4), -1):
        if begins_line(keys[start]):
            if start and keys[start][1:] == "#" == keys[start - 1].lstrip(LINE):
                continue
            return keys[start:] if label_end(keys, start) == len(keys) else ()
    return ()


def _at(keys: Keys, position: int) -> str:
    return keys[position] if position < len(keys) else ""


def _closed(keys: Keys, start: int, sign: str) -> int:
    for position in range(start + 1, min(start + LONGEST_NAME, len(keys))):
        if keys[position] == sign:
            return position + 2 if _at(keys, position + 1) == ":" else position + 1
    return start


def _bold_end(keys: Keys, start: int) -> int:
    for position in range(start + 2, min(start + LONGEST_HEADING, len(keys) - 1)):
        if keys[position] == keys[position + 1] == "*":
            return position + 3 if _at(keys, position + 2) == ":" else position + 2
    return start


def _heading_end(keys: Keys, start: int) -> int:
    """A heading or a rule goes to the end of its line."""
    for position in range(start + 1, min(start + LONGEST_HEADING + 3, len(keys))):
        if begins_line(keys[position]):
            return position
    return len(keys) if len(keys) - start <= LONGEST_HEADING + 3 and is_word(keys[-1]) else start
