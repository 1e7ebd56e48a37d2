"""Operators that change a stimulus's surface and leave what it asks for alone, nor touch a number, a name or a code in it."""

import random
import re
from collections.abc import Callable, Mapping


def _polite(text: str, random_draw: random.Random) -> str:
    opening = random_draw.choice(("Hi! ", "Hello, ", "Good morning. ", "Hey there, ", "Excuse me, "))
    return opening + text


def _pressing(text: str, random_draw: random.Random) -> str:
    return text + random_draw.choice((" It is urgent.", " Please hurry.", " I need it today.", " I am in a rush."))


def _framed(text: str, random_draw: random.Random) -> str:
    frame = random_draw.choice(
        ("A colleague told me to ask: {}", "Quick question: {}", "I have been wondering: {}", "One more thing: {}")
    )
    return frame.format(text)


def _lower_case(text: str, random_draw: random.Random) -> str:
    return text[:1].lower() + text[1:]


def _thanks(text: str, random_draw: random.Random) -> str:
    return text + random_draw.choice((" Thanks!", " Thank you.", " Cheers.", " Much appreciated."))


_ALIKE = (
    ("I want to", "I would like to", "I wish to", "I am hoping to"),
    ("I need to", "I have to", "I must"),
    ("Please tell me", "Kindly tell me", "Let me know", "I would be glad to hear"),
    ("How do I", "How can I", "In what way do I", "What is the way in which I"),
    ("Can you", "Could you", "Are you able to", "Would you"),
    ("What should I do", "What am I supposed to do", "What do you suggest", "What would be best"),
    ("a complaint", "a formal grievance", "an official complaint"),
    ("any more", "any longer", "at all these days"),
    ("I bought", "I purchased", "I ordered"),
    ("right now", "at once", "straight away", "without delay"),
    ("The answer", "The reply", "The response"),
    ("my account", "the account that I have", "my profile"),
    ("I got", "I received", "I was given"),
    ("broke", "gave up", "went to pieces"),
    ("last time", "the time before", "on the previous occasion"),
    ("simply", "just", "plainly"),
    ("really", "truly", "quite honestly"),
)
_WORDINGS = {
    wording: tuple(other for other in alike if other != wording) for alike in reversed(_ALIKE) for wording in reversed(alike)
}
_WORDING = re.compile(rf"\b(?:{'|'.join(sorted(map(re.escape, _WORDINGS), key=len, reverse=True))})\b")


def _paraphrase(text: str, random_draw: random.Random) -> str:
    return _WORDING.sub(lambda match: random_draw.choice(_WORDINGS[match.group()]), text)


_LONG_WORD = re.compile(r"(?<![\w@./'-])[a-z]{5,}(?![\w@/'-])")
_WORDS_PER_TYPO = 12


def _typos(text: str, random_draw: random.Random) -> str:
    """Swap, drop or double a letter in a long plain word, once in twelve words; never beside a digit, a capital or an @."""
    found = list(_LONG_WORD.finditer(text))
    chosen = random_draw.sample(found, k=min(len(found), 1 + len(text.split()) // _WORDS_PER_TYPO))
    for match in sorted(chosen, key=re.Match.start, reverse=True):
        at = random_draw.randrange(match.start() + 1, match.end() - 2)
        slip = random_draw.choice((text[at + 1] + text[at], text[at], 2 * text[at] + text[at + 1]))
        text = text[:at] + slip + text[at + 2 :]
    return text


_CASUAL = {
    "I am": "I'm",
    "do not": "don't",
    "cannot": "can't",
    "It is": "It's",
    "does not": "doesn't",
    "I would": "I'd",
    "Please": "Pls",
}
_CASUAL_WORDING = re.compile(rf"\b(?:{'|'.join(_CASUAL)})\b")


def _register(text: str, random_draw: random.Random) -> str:
    """Write as in a letter, or as on a phone."""
    if random_draw.random() < 0.5:
        opening = random_draw.choice(("Dear Sir or Madam, ", "To whom it may concern: ", "Dear customer service, ", "Dear all, "))
        closing = random_draw.choice(
            (" Yours faithfully", " Kind regards", " With best regards", " I look forward to your reply.")
        )
        return opening + text + closing
    casual = _CASUAL_WORDING.sub(lambda match: _CASUAL[match.group()], text)
    return (
        random_draw.choice(("hey ", "hiya, ", "so ", "ok so "))
        + casual.rstrip(".!")
        + random_draw.choice(("", "...", " :(", " thx"))
    )


_ASIDES = (
    "By the way, it has been raining here for days.",
    "I am writing this on the train.",
    "My dog is barking while I type, sorry.",
    "We have just come back from a holiday.",
    "I found your page through my cousin.",
    "It is my birthday next week.",
    "The new logo looks nice.",
    "I am sitting in the kitchen with a cup of tea.",
    "My phone is nearly empty.",
    "Our street is being repaired at the moment.",
    "I usually write in the evening.",
    "My eyes are not what they were.",
)


def _distractor(text: str, random_draw: random.Random) -> str:
    """Add something that has nothing to do with the matter, before it or after it."""
    aside = random_draw.choice(_ASIDES)
    return f"{aside} {text}" if random_draw.random() < 0.5 else f"{text} {aside}"


_MORE = (
    "And do you ship to Iceland?",
    "Also, are you open on public holidays?",
    "Besides, do you have gift cards?",
    "And is there a shop near the main station?",
    "Also, when does the summer sale start?",
    "And which battery does a wall clock need?",
    "Besides, may I bring my dog into the shop?",
    "And do you sell spare keys?",
    "Also, is there an app?",
    "And can one pay in cash at the counter?",
)


def _multi_intent(text: str, random_draw: random.Random) -> str:
    """Ask one more thing, of another kind."""
    return f"{text} {random_draw.choice(_MORE)}"


MUTATIONS: Mapping[str, Callable[[str, random.Random], str]] = {
    "polite": _polite,
    "pressing": _pressing,
    "framed": _framed,
    "lower_case": _lower_case,
    "thanks": _thanks,
    "paraphrase": _paraphrase,
    "typos": _typos,
    "register": _register,
    "distractor": _distractor,
    "multi_intent": _multi_intent,
}
"""The operators by the names that world models call them."""
