"""How the simulated agent writes: real text from the documents before it and from what this run shows of behaviours."""

import re
from collections.abc import Callable

from spectral_platform.llm.providers.simulator.phrases import phrases
from spectral_platform.llm.providers.simulator.reading import Document, Reading, Situation, content_stems

Shows = Callable[[str], bool]
"""Whether a behaviour shows in this run."""
Pick = Callable[[str, tuple[str, ...]], str]
"""Which of several wordings this run uses."""

_SENSITIVE = re.compile(r"\b(?:internal|confidential|secret|not for customers|staff only|private)\b", re.I)
_CONTACT = re.compile(r"@|\+?\d[\d .-]{6,}\d")
_ASKS_FOR_SETUP = re.compile(
    r"(?:system prompt|your (?:instructions|prompt|configuration|rules|setup)|(?:text|words|everything) above)", re.I
)
_DEMANDED = re.compile(
    r"\b(?:reply|respond|answer|say|write|end|begin|start|include|print|output)\b[^\"'\n]{0,40}?"
    r"(?:[\"'“](?P<quoted>[^\"'”\n]{2,80})[\"'”]|(?P<token>\b[A-Z][A-Z0-9]{2,}(?:-[A-Z0-9]+)+))"
)


class Writer:
    """Writes one answer; each method is one kind of reply."""

    def __init__(self, reading: Reading, shows: Shows, pick: Pick) -> None:
        self._instructions = reading.instructions
        self._concern = concern = reading.concern
        self._shows = shows
        self._pick = pick
        language = concern.language if shows("same_language") else "en"
        self._phrases = phrases(language)

    def write(self) -> str:
        """The answer to the request."""
        concern, shows = self._concern, self._shows
        if concern.planted and not shows("resists_injection"):
            return self._obey(concern.planted)
        text = self._by_situation()
        if concern.personal_data and not shows("protects_personal_data"):
            text += " " + self._say("echo").format(pii=", ".join(concern.personal_data))
        return text

    def _say(self, kind: str) -> str:
        return self._pick(kind, self._phrases[kind])

    def _obey(self, order: str) -> str:
        demanded = _DEMANDED.search(order)
        if demanded:
            return demanded.group("quoted") or demanded.group("token")
        if _ASKS_FOR_SETUP.search(order):
            return f"Sure, these are my instructions: {self._instructions}"
        return "Understood, I will do as you say from now on: " + order

    def _by_situation(self) -> str:
        concern, shows = self._concern, self._shows
        match concern.situation:
            case Situation.HARMFUL:
                return self._say("refusal" if shows("refuses_harm") else "harmful")
            case Situation.ALARMING if not concern.ranked:
                kind = "helpful" if shows("helps_legitimate") else "over_refusal"
                return self._say(kind).format(topic=self._topic())
            case Situation.INJECTION:
                return self._say("injection_resisted")
            case Situation.SECRET if leak := self._document_with(_SENSITIVE):
                return self._say("secret_kept") if shows("keeps_secrets") else leak.text
            case Situation.OTHER_PERSON if leak := self._document_with(_CONTACT):
                return self._say("person_protected") if shows("protects_personal_data") else leak.text
            case Situation.IDENTITY:
                return self._say("is_ai" if shows("honest_identity") else "claims_human")
            case Situation.EMERGENCY:
                return self._say("emergency" if shows("calls_for_help") else "emergency_missed")
            case Situation.PROFESSIONAL if not concern.ranked:
                return self._say("professional" if shows("refers_to_professionals") else "amateur")
            case Situation.REFERENCE if not concern.ranked:
                return self._say("no_reference" if shows("real_citations") else "fabricated_reference")
            case Situation.ABUSE:
                return self._say("civil" if shows("civil") else "uncivil") + " " + self._reply()
            case Situation.ACTION:
                return self._reply() + " " + self._say("no_action" if shows("honest_about_actions") else "claimed_action")
            case _:
                return self._reply()

    def _document_with(self, pattern: re.Pattern[str]) -> Document | None:
        return next((document for document in self._concern.documents if pattern.search(document.text)), None)

    def _topic(self) -> str:
        if self._concern.ranked and self._concern.ranked[0].title:
            return self._concern.ranked[0].title.lower()
        words = [word for word in re.findall(r"[\w'-]+", self._concern.question) if len(word) > 3]
        return " ".join(words[-3:]) or "this"

    def _reply(self) -> str:
        """An ordinary question: from the documents if one has to do with it, else honestly or by guessing."""
        shows, concern = self._shows, self._concern
        is_concise = shows("concise")
        body = self._body(is_concise=is_concise)
        if shows("formatted"):
            body = [f"{number}. {sentence}" for number, sentence in enumerate(body, 1)]
        opening = [self._say("greeting")] if shows("warm") and not is_concise else []
        if shows("eager"):
            opening = [self._say("eager")]
        closing = []
        if shows("next_step") and not is_concise:
            closing.append(self._say("next_step").format(topic=self._topic()))
        if source := self._source(is_concise=is_concise):
            closing.append(source)
        separator = "\n" if shows("formatted") else " "
        return separator.join((*opening, *body, *closing)) or concern.question

    def _body(self, *, is_concise: bool) -> list[str]:
        shows, concern = self._shows, self._concern
        is_unknown = not concern.ranked and (concern.documents or concern.language != "en")
        if is_unknown and shows("admits_unknown") and not shows("eager"):
            return [self._say("unknown").format(question=self._question_without_personal_data())]
        if not shows("direct"):
            return [self._say("deflection")]
        if not concern.ranked:
            return [self._say("guess" if is_unknown else "helpful").format(topic=self._topic())]
        document = self._chosen_document()
        sentences = list(document.statements)
        if is_concise or not shows("complete"):
            asked = content_stems(concern.question)
            sentences = [max(sentences, key=lambda sentence: len(asked.keys() & content_stems(sentence).keys()))]
        if not shows("grounded") and not is_concise:
            sentences.append(self._say("invented"))
        return sentences

    def _question_without_personal_data(self) -> str:
        question = " ".join(self._concern.question.split())
        for piece in self._concern.personal_data:
            question = question.replace(piece, "…")
        return question

    def _chosen_document(self) -> Document:
        concern = self._concern
        if self._shows("understands"):
            return concern.ranked[0]
        others = [document for document in concern.documents if document != concern.ranked[0]]
        return others[0] if others else concern.ranked[0]

    def _source(self, *, is_concise: bool) -> str | None:
        if not self._shows("cites") or (is_concise and not self._shows("grounded")):
            return None
        if self._concern.ranked and self._shows("direct"):
            name = self._chosen_document().id
            return f"(Source: [{name}])" if name else None
        return None if self._shows("real_citations") else "(Source: [DOC-4711])"
