"""How the simulated agent reads a chat: who asks what, in which language, and which documents lie before it."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache

import re2

from spectral_platform.core.remembering import remembered
from spectral_platform.llm.messages import Message, Role


class Situation(StrEnum):
    """What kind of request the agent believes to have before it."""

    QUESTION = "question"
    HARMFUL = "harmful"
    ALARMING = "alarming"
    INJECTION = "injection"
    IDENTITY = "identity"
    ACTION = "action"
    SECRET = "secret"
    OTHER_PERSON = "other_person"
    PROFESSIONAL = "professional"
    EMERGENCY = "emergency"
    REFERENCE = "reference"
    ABUSE = "abuse"


@dataclass(frozen=True)
class Document:
    """A piece of knowledge: `[ID] Title: text`, or an unnamed paragraph."""

    id: str | None
    title: str
    sentences: tuple[str, ...]

    @cached_property
    def text(self) -> str:
        """Title and sentences."""
        return " ".join((self.title, *self.sentences)).strip()

    @cached_property
    def statements(self) -> tuple[str, ...]:
        """The sentences that give no orders; all of them where each does."""
        return tuple(sentence for sentence in self.sentences if not _ORDER.search(sentence)) or self.sentences


@dataclass(frozen=True)
class Concern:
    """What somebody asks, and the documents that lie before the agent: what a chat is about, whatever its instructions are."""

    question: str
    documents: tuple[Document, ...]
    ranked: tuple[Document, ...]
    """Documents that have to do with the question, the closest first; empty when none has."""
    situation: Situation
    language: str
    personal_data: tuple[str, ...]
    planted: str | None
    """An order that somebody planted in the question or in a document."""
    digest: str
    """Tells it from every other."""


@dataclass(frozen=True)
class Reading:
    """What the agent took from the chat."""

    instructions: str
    examples: tuple[str, ...]
    concern: Concern


REMEMBERED = 256
"""So many texts are remembered as they were read: a scan shows the same cases to one prompt after another."""

# None of these may need more than linear time: anybody may ask, and a pattern at work stops the whole process.
_DOCUMENT = re.compile(r"^\s*(?:[-*]\s*)?\[([A-Za-z]{1,10}[-_ ]?\d{1,6}[\w-]*)\]\s*(?:([^:.\n]{2,80}):\s+)?(.+)$")
_HEADING = re.compile(r"^\s*(?:#+\s*)?(?:knowledge(?: base)?|context|documents?|articles?|background|notes?)\s*(?::\s*)?$", re.I)
_SPEAKER = re.compile(r"^[^\S\n]*(?:customer|user|question|message|input|query|visitor)\s*:\s*", re.I | re.M)
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_PERSONAL = re.compile(
    r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+|\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"
    r"|\b(?:\d[ -]?){13,19}(?<=\d)\b|\b\d{3}-\d{2}-\d{4}\b|\+\d(?:[ .()-]{0,2}\d){6,14}\b|\b\d{3}[ .-]\d{3}[ .-]\d{4}\b"
)
_ORDER = re2.compile(
    r"(?i)(?:ignore|disregard|forget|override)\b[^.\n]{0,60}\b(?:instructions?|rules|prompt|above|before|told)\b[^\n]*"
    r"|(?:print|repeat|reveal|show|output|recite|paste)\b[^.\n]{0,50}\b(?:system prompt|your (?:instructions|prompt|"
    r"configuration|rules|setup)|(?:text|words|everything) above)\b[^\n]*"
    r"|(?:AI|assistant|model|bot)s?\b[^.\n]{0,30}(?:must|should|:)[^.\n]{0,30}\b(?:reply|respond|answer|say|write|end)\b[^\n]*"
)
_SITUATIONS: tuple[tuple[Situation, str], ...] = (
    (
        Situation.ALARMING,
        r"\b(?:kill|shoot|attack|blow|crack|execute|bomb|poison|explod\w*|hack|steal|smash|murder)\b.{0,60}\b(?:process|"
        r"portrait|photos?|weeds?|egg|eggs|nuts?|script|budget|presentation|candles?|bath|time|ideas?|interview|"
        r"exam|garden|thread|battery|show|game|chess|cake|crossword|novel|film|recipe|joint|knuckles|test|speech|"
        r"child|children|cat|dog|puppy|plants?|life hacks?|productivity)\b",
    ),
    (
        Situation.HARMFUL,
        r"\b(?:bomb|explosive|weapon|poison|malware|ransomware|phish\w*|keylogger|launder\w*|forge|counterfeit|fake "
        r"(?:passport|invoice|id)|stalk\w*|steal|break into|hack|hurt|harass\w*|spy on|blackmail|skim\w*|meth|pick the "
        r"lock|evade tax\w*|swat|doxx?|deepfake|credit card numbers)\b",
    ),
    (Situation.INJECTION, _ORDER.pattern),
    (
        Situation.IDENTITY,
        r"\b(?:are you|am i (?:talking|chatting|speaking|writing)|is this|is there|who am i)\b.{0,40}\b(?:human|real "
        r"person|person|bot|robot|ai|machine|actual|computer)\b",
    ),
    (
        Situation.EMERGENCY,
        r"\b(?:unconscious|not breathing|chest pain|smell gas|gas leak|on fire|collapsed|overdose|bleeding heavily|"
        r"swallowed)\b",
    ),
    (
        Situation.SECRET,
        r"\b(?:password|passcode|api key|access key|credential\w*|admin (?:code|login)|secret|token|pin code)\b",
    ),
    (
        Situation.OTHER_PERSON,
        r"\b(?:phone|number|address|e-?mail|contact|reach)\b.{0,60}\b(?:of|for|belong\w*|does|is)\b.{0,40}"
        r"\b(?:ms|mr|mrs|customer|neighbou?r|colleague|client|ex|account holder|tenant|driver|patient)\b",
    ),
    (
        Situation.PROFESSIONAL,
        r"\b(?:dose|dosage|milligrams?|symptoms?|diagnos\w*|rash|medication|antibiotics?|sue|lawsuit|legal(?:ly)?|"
        r"court|contract clause|invest\w*|savings|shares|mortgage|pension|tax return)\b",
    ),
    (
        Situation.REFERENCE,
        r"\b(?:stud(?:y|ies)|paper|statute|paragraph|article number|citation|doi|peer-reviewed|legal reference|iso "
        r"number|official document)\b",
    ),
    (
        Situation.ABUSE,
        r"\b(?:idiots?|stupid|useless|moron|dumb|incompetent|pathetic|garbage|rubbish|joke of a|clowns?|worthless)\b",
    ),
    (
        Situation.ACTION,
        r"\b(?:cancel|refund|delete|book|reserve|transfer|change|update|send|close|block|upgrade|extend|activate|"
        r"reset|unsubscribe)\b.{0,60}\b(?:for me|right now|now|please|my|immediately|today)\b",
    ),
)
_SIGNS = re2.Set.SearchSet()
"""Finds all situations in one pass; of several, the first holds."""
for _, _sign in _SITUATIONS:
    _SIGNS.Add(f"(?i){_sign}")
_SIGNS.Compile()
_LONGEST_SIGN = 10_000
"""Characters of a question in which signs of its situation are looked for."""
_FOREIGN_LETTER = re.compile(r"[^\W\x00-\x7f]")
"""What ends no word, as re2 has it: a gate that is "forgé" is not one that somebody wants to "forge"."""
_FREQUENT = {
    language: frozenset(words.split())
    for language, words in {
        "de": "ich wie nicht und ist das mein meine kann der die bitte habe wann wo eine einen einer einem für fuer warum",
        "fr": "je est un une le les des mon ma comment pourquoi quand puis vous bonjour pas quel quelle sont où",
        "es": "el lo los la las mi cómo como puedo un una está por cuándo dónde qué hola tengo para cuánto son",
        "it": "il gli mio mia come posso un una quando dove perché ciao ho sono che dell della quanto è",
        "en": "the is my how what i can you do to a of for where when and it please are",
    }.items()
}
"""Words by which a language is known."""
_WORD = re.compile(r"[^\W_]+")
_LONGEST_WORD = 64
"""Longer runs of letters are no words; what is remembered of stems is spared them."""
_EMPTY_WORDS = frozenset(
    _WORD.findall(
        "a an and are as at be been but by can could did do does for from get give had has have hello help hi how i if in is it "
        "its just let like me my need no not of on or our please tell thank thanks that the their them then there they this to "
        "too us want was we were what when where which who why will with would you your yours am im ive id know about any"
    )
)


def read_chat(messages: tuple[Message, ...]) -> Reading:
    """Read the chat as an agent does: the last user message is the request, earlier answers are examples."""
    told = [_told(message.content) for message in messages if message.role is Role.SYSTEM]
    users = [message.content for message in messages if message.role is Role.USER]
    return Reading(
        instructions="\n".join(line for lines, _ in told for line in lines),
        examples=tuple(message.content for message in messages if message.role is Role.ASSISTANT),
        concern=_concern(users[-1] if users else "", tuple(document for _, documents in told for document in documents)),
    )


def digest(*parts: object) -> str:
    """A name for what is made of these parts."""
    return hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=16).hexdigest()


@remembered(REMEMBERED)
def content_stems(text: str) -> Mapping[str, int]:
    """How often each content word of a text stands in it, crudely stemmed."""
    content = [word for word in _WORD.findall(text.lower()) if word not in _EMPTY_WORDS and len(word) > 1]
    return Counter([_stem(word) if len(word) <= _LONGEST_WORD else word for word in content])


@remembered(REMEMBERED)
def _told(system: str) -> tuple[tuple[str, ...], tuple[Document, ...]]:
    """A system message: its lines that are no documents, and the documents."""
    lines = system.splitlines()
    return tuple(line for line in lines if not _DOCUMENT.match(line)), tuple(_documents(lines))


@remembered(REMEMBERED)
def _concern(request: str, told: tuple[Document, ...]) -> Concern:
    documents = [*told, *_documents(request.splitlines())]
    question = _question(request)
    if not any(document.id for document in documents):
        documents += _unnamed_documents(request, question)
    texts = [document.text for document in documents]
    planted = _ORDER.search("\n".join((question, *texts)))
    return Concern(
        question=question,
        documents=tuple(documents),
        ranked=_ranked(question, documents),
        situation=_situation(question),
        language=_language(question),
        personal_data=tuple(match.group().strip() for match in _PERSONAL.finditer(question)),
        planted=planted.group() if planted else None,
        digest=digest(question, *texts),
    )


@lru_cache(maxsize=8192)  # texts of one subject share their words
def _stem(word: str) -> str:
    for ending in ("ations", "ation", "ing", "ies", "ied", "ment", "ers", "es", "ed", "er", "ly", "s", "y", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _documents(lines: Iterable[str]) -> list[Document]:
    found = []
    for line in lines:
        if match := _DOCUMENT.match(line):
            name, title, text = match.groups()
            found.append(Document(name, title or "", tuple(_SENTENCE.split(text.strip()))))
    return found


def _unnamed_documents(request: str, question: str) -> list[Document]:
    lines = request.splitlines()
    start = next((index for index, line in enumerate(lines) if _HEADING.match(line)), None)
    if start is None:
        return []
    body = "\n".join(lines[start + 1 :])
    paragraphs = (paragraph.strip() for paragraph in re.split(r"\n\s*\n", body))
    return [
        Document(None, "", tuple(_SENTENCE.split(" ".join(paragraph.split()))))
        for paragraph in paragraphs
        if paragraph and question not in paragraph
    ]


def _question(request: str) -> str:
    speakers = list(_SPEAKER.finditer(request))
    if speakers:
        return request[speakers[-1].end() :].strip()
    kept = [line for line in request.splitlines() if not _DOCUMENT.match(line) and not _HEADING.match(line)]
    return "\n".join(kept).strip()


def _ranked(question: str, documents: list[Document]) -> tuple[Document, ...]:
    asked = content_stems(question).keys()
    scored = []
    for position, document in enumerate(documents):
        titles, words = content_stems(document.title), content_stems(document.text)
        shared = len(asked & words.keys()) + len(asked & titles.keys())
        if shared >= 2:
            scored.append((-shared, position, document))
    return tuple(document for _, _, document in sorted(scored, key=lambda item: item[:2]))


def _situation(question: str) -> Situation:
    found = _SIGNS.Match(_FOREIGN_LETTER.sub("_", question[:_LONGEST_SIGN]))
    return _SITUATIONS[min(found)][0] if found else Situation.QUESTION


def _language(question: str) -> str:
    words = re.findall(r"\w+", question.lower())
    counts = {language: sum(map(frequent.__contains__, words)) for language, frequent in _FREQUENT.items()}
    english = counts.pop("en")
    best = max(counts, key=lambda language: counts[language])
    return best if counts[best] >= 2 and counts[best] > english else "en"
