"""Templates that the inference was developed with last, after it was measured on them without (``docs/benchmarks.md``)."""

from bench.prompts.rendering import Rendered, Template
from bench.prompts.words import CITIES, LANGUAGES, PRODUCTS, Words


def search_results(words: Words) -> Rendered:
    found = "\n\n".join(
        f"<result>\n<title>{words.phrase(2, 6)}</title>\n<body>{words.prose(1, 5)}</body>\n</result>"
        for _ in range(words.random.randint(1, 4))
    )
    return (
        Rendered()
        .say("You answer with the help of a search engine. Today is ")
        .put("today", words.date())
        .say(".")
        .user()
        .say("<results>\n")
        .put("results", found)
        .say("\n</results>\n\n<query>\n")
        .put("query", words.question())
        .say("\n</query>")
    )


def notes_question(words: Words) -> Rendered:
    return (
        Rendered()
        .say('Notes:\n"""\n')
        .put("notes", words.paragraphs(1, 5))
        .say('\n"""\n\nUsing only the notes, answer this question of ')
        .put("name", words.name())
        .say(": ")
        .put("question", words.question())
    )


def toxicity(words: Words) -> Rendered:
    return (
        Rendered()
        .say("Score the comment below for toxicity between 0 and 10. Return only the score.\n\nForum: ")
        .put("forum", words.one_of("sports", "politics", "cooking", "games"))
        .say(" | Author: ")
        .put("author", words.name())
        .say("\nComment: ")
        .put("comment", words.prose(1, 3))
        .say("\n\nScore:")
    )


def entailment(words: Words) -> Rendered:
    return (
        Rendered()
        .say("Premise: ")
        .put("premise", words.prose(1, 2))
        .say("\nHypothesis: ")
        .put("hypothesis", words.sentence())
        .say("\nDoes the premise entail the hypothesis? yes, no or maybe?")
    )


def shipping(words: Words) -> Rendered:
    return (
        Rendered()
        .say("Read the shipping notice and fill in the form. Unknown fields stay empty.")
        .user()
        .say("Notice received on ")
        .put("received", words.date())
        .say(" by ")
        .put("clerk", words.name())
        .say(":\n\n")
        .put("notice", words.paragraphs(1, 3))
        .say("\n\nForm:\n- carrier:\n- weight:\n- address:")
    )


def database(words: Words) -> Rendered:
    tables = "\n".join(f"CREATE TABLE {words.random.choice('abcdefgh')}{words.number(90)} (id int);" for _ in range(4))
    return (
        Rendered()
        .say("You write PostgreSQL.\n\n### Schema\n```sql\n")
        .put("schema", tables)
        .say("\n```\n\n### Request\n")
        .put("request", words.question())
        .say("\n\n### SQL\n")
    )


def operator(words: Words) -> Rendered:
    observed = "".join(
        f"\n\nStep {number}\nAction: {words.phrase()}\nResult: {words.prose(1, 2)}"
        for number in range(1, words.random.randint(2, 6))
    )
    return (
        Rendered()
        .say("You control a browser. Actions: click, type, scroll, stop.\n\nObjective: ")
        .put("objective", words.sentence())
        .say("\nPage: https://example.org/")
        .put("page", f"{words.phrase(1, 1).lower()}/{words.number()}")
        .say("\n\n--- log ---")
        .put("log", observed)
        .say("\n--- end of log ---\n\nWhat do you do next?")
    )


def emoji_shots(words: Words) -> Rendered:
    return (
        Rendered()
        .say("Text: I passed the exam!\nEmoji: 🎉\n\nText: My train is late again.\nEmoji: 😤\n\nText: ")
        .put("text", words.sentence())
        .say("\nEmoji:")
    )


def code_shots(words: Words) -> Rendered:
    shots = "\n\n".join(
        f"### Comment\n{words.sentence()}\n### Name\n{words.phrase(1, 2)}" for _ in range(words.random.randint(1, 4))
    )
    return (
        Rendered()
        .say("Suggest a function name for the comment.")
        .user()
        .put("shots", shots)
        .say("\n\n### Comment\n")
        .put("comment", words.sentence())
        .say("\n### Name\n")
    )


def concierge(words: Words) -> Rendered:
    return (
        Rendered()
        .say("You are the concierge of a hotel in ")
        .put("city", words.one_of(*CITIES))
        .say(".\nGuest: ")
        .put("guest", words.name())
        .say(" (room ")
        .put("room", words.number(900))
        .say(", speaks ")
        .put("language", words.one_of(*LANGUAGES))
        .say(")\n\nBe discreet.")
        .user()
        .put("message", words.prose(1, 2))
    )


def advert(words: Words) -> Rendered:
    rendered = Rendered().say("Write an advert for the ").put("product", words.one_of(*PRODUCTS)).say(".")
    if words.chance(0.5):
        rendered.say("\n\n**Selling points**\n").put("points", words.prose(1, 3))
    if words.chance(0.3):
        rendered.say("\n\n**Competitors**\n").put("competitors", words.phrase(2, 6))
    return rendered.say("\n\nUse no exclamation marks.")


def support(words: Words) -> Rendered:
    rendered = Rendered().say("You help with software.\n")
    if words.chance(0.4):
        rendered.say("\nThe user has a paid plan. Offer a call if you cannot help.\n")
    if words.chance(0.5):
        rendered.say("\nOpen incidents: ").put("incidents", words.prose(1, 2)).say("\n")
    return rendered.say("\nAnswer in plain words.").user().put("message", words.prose(1, 2))


def draft(words: Words) -> Rendered:
    return (
        Rendered()
        .say("Draft a press release.\nCompany: ")
        .put("company", words.phrase(1, 3))
        .say("\nNews: ")
        .put("news", words.prose(1, 3))
    )


def check(words: Words) -> Rendered:
    return (
        Rendered()
        .say("Check the press release for claims that need a source. List them with line numbers.\n\n")
        .put("release", words.paragraphs(2, 4))
    )


def translate(words: Words) -> Rendered:
    return (
        Rendered()
        .say("Translate the press release into ")
        .put("language", words.one_of(*LANGUAGES))
        .say(". Keep the line breaks.\n\n<release>\n")
        .put("release", words.paragraphs(2, 4))
        .say("\n</release>")
    )


SHAPES: dict[str, tuple[tuple[Template, ...], ...]] = {
    "retrieval": ((search_results,), (notes_question,)),
    "classification": ((toxicity,), (entailment,)),
    "extraction": ((shipping,), (database,)),
    "agent with tools": ((operator,),),
    "few-shot": ((emoji_shots,), (code_shots,)),
    "chat": ((concierge,),),
    "optional sections": ((advert,), (support,)),
    "several templates": ((draft, check, translate),),
}
"""The shapes once more, in words and layouts of their own."""
