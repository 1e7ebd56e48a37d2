"""Templates that the inference was developed with in its second round (``docs/benchmarks.md``)."""

from bench.prompts.rendering import Rendered, Template
from bench.prompts.words import CITIES, LANGUAGES, PRODUCTS, Words


def handbook(words: Words) -> Rendered:
    found = "\n".join(f"({number}) {words.prose(1, 3)}" for number in range(1, words.random.randint(2, 6)))
    return (
        Rendered()
        .say("Answer staff questions from the excerpts. Mention the number of each excerpt you rely on.\n\nExcerpts\n========\n")
        .put("excerpts", found)
        .say("\n\nStaff question\n==============\n")
        .put("question", words.question())
    )


def memo(words: Words) -> Rendered:
    return (
        Rendered()
        .say("Search results for the query \u201c")
        .put("query", words.phrase(2, 6))
        .say("\u201d:\n\n")
        .put("results", words.paragraphs(1, 5))
        .say("\n\nSummarise what they say about the query in two sentences.")
    )


def labels(words: Words) -> Rendered:
    return (
        Rendered()
        .say("You label expenses: travel, food, office, other.")
        .user()
        .say("merchant=")
        .put("merchant", words.phrase(1, 3))
        .say("; city=")
        .put("city", words.one_of(*CITIES))
        .say("; amount=")
        .put("amount", words.number(2_000))
        .say("; memo=")
        .put("memo", words.sentence())
    )


def ranking(words: Words) -> Rendered:
    return (
        Rendered()
        .say("Rate how relevant the passage is to the query from 0 to 3.\nQuery: ")
        .put("query", words.question())
        .say("\nPassage: ")
        .put("passage", words.paragraphs(1, 3))
        .say("\nRelevance:")
    )


def minutes(words: Words) -> Rendered:
    return (
        Rendered()
        .say("Extract decisions and owners from the minutes of ")
        .put("day", words.date())
        .say(". Participants: ")
        .put("participants", ", ".join(words.random.sample(("Ann", "Bob", "Chidi", "Dana", "Emre", "Grace"), 3)))
        .say(".\n\n--- minutes ---\n")
        .put("minutes", words.paragraphs(2, 5))
        .say("\n--- end ---")
    )


def coder(words: Words) -> Rendered:
    return (
        Rendered()
        .say("You are a coding agent. Tools: read_file(path), write_file(path, text), run_tests().\n<workspace>\nbranch: ")
        .put("branch", words.one_of("main", "fix-login", "next", "docs"))
        .say("\nfailing tests: ")
        .put("failing", words.number(30))
        .say("\n</workspace>\nRules:\n- Small steps.\n- Run the tests after each change.")
        .user()
        .put("issue", words.paragraphs(1, 3))
    )


def shots_pairs(words: Words) -> Rendered:
    shots = "\n\n".join(f"Before: {words.sentence()}\nAfter: {words.sentence()}" for _ in range(words.random.randint(2, 4)))
    return (
        Rendered()
        .say("Rewrite in plain language as in these pairs.\n\n")
        .put("pairs", shots)
        .say("\n\nBefore: ")
        .put("text", words.sentence())
        .say("\nAfter:")
    )


def shots_constant(words: Words) -> Rendered:
    return (
        Rendered()
        .say("You split names.")
        .user()
        .say("Name: Maria del Carmen Ruiz\nFirst: Maria del Carmen\nLast: Ruiz\n\nName: Li Wei\nFirst: Wei\nLast: Li\n\nName: ")
        .put("name", words.name())
        .say("\n")
    )


def coach(words: Words) -> Rendered:
    return (
        Rendered()
        .say("You are a running coach. Your client ")
        .put("client", words.name())
        .say(" trains for a race in ")
        .put("city", words.one_of(*CITIES))
        .say(" on ")
        .put("day", words.date())
        .say(". Talk ")
        .put("language", words.one_of(*LANGUAGES))
        .say(" and never give medical advice.")
        .user()
        .put("message", words.prose(1, 3))
    )


def listing(words: Words) -> Rendered:
    rendered = Rendered().say("Improve the listing of the seller.\n\nTitle: ").put("title", words.phrase(2, 6))
    if words.chance(0.5):
        rendered.say("\nBrand: ").put("brand", words.one_of(*PRODUCTS))
    if words.chance(0.4):
        rendered.say("\n\nComplaints so far:\n").put("complaints", words.prose(1, 2))
    return rendered.say("\n\nDescription:\n").put("description", words.prose(2, 5)).say("\n\nReturn title and description.")


def nurse(words: Words) -> Rendered:
    rendered = Rendered().say("You triage messages to a clinic.")
    if words.chance(0.5):
        rendered.say("\n\nKnown conditions: ").put("conditions", words.phrase(2, 6))
    if words.chance(0.3):
        rendered.say("\n\nThe clinic is closed today. Point to the emergency number.")
    return rendered.say("\n\nNever diagnose.").user().put("message", words.prose(1, 3))


def plan(words: Words) -> Rendered:
    return (
        Rendered()
        .say("Plan a lesson.\nTopic: ")
        .put("topic", words.phrase(2, 6))
        .say("\nMinutes: ")
        .put("minutes", words.number(90))
    )


def quiz(words: Words) -> Rendered:
    return (
        Rendered()
        .say("Write five quiz questions about the text. Add the answers.\n\nText:\n")
        .put("text", words.paragraphs(1, 4))
    )


def feedback(words: Words) -> Rendered:
    return (
        Rendered()
        .say("You mark essays kindly.")
        .user()
        .say("Essay of ")
        .put("student", words.name())
        .say(":\n\n")
        .put("essay", words.paragraphs(2, 5))
        .say("\n\nGive three strengths and one thing to work on.")
    )


SHAPES: dict[str, tuple[tuple[Template, ...], ...]] = {
    "retrieval": ((handbook,), (memo,)),
    "classification": ((labels,), (ranking,)),
    "extraction": ((minutes,),),
    "agent with tools": ((coder,),),
    "few-shot": ((shots_pairs,), (shots_constant,)),
    "chat": ((coach,),),
    "optional sections": ((listing,), (nurse,)),
    "several templates": ((plan, quiz, feedback),),
}
"""The shapes once more, in words and layouts of their own."""
