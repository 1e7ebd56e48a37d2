"""Further templates that the inference was developed with, after it was measured on them without (``docs/benchmarks.md``)."""

from bench.prompts.rendering import Rendered, Template
from bench.prompts.words import CITIES, LANGUAGES, PRODUCTS, Words


def docs_question(words: Words) -> Rendered:
    found = "\n\n".join(
        f"Document {number} (source: {words.phrase(1, 3)}):\n{words.prose(2, 6)}"
        for number in range(1, words.random.randint(2, 6))
    )
    return (
        Rendered()
        .say("You answer questions about our handbook. Cite the documents that you use as [1], [2] and so on.")
        .user()
        .put("documents", found)
        .say("\n\n---\nGiven the documents above, answer: ")
        .put("question", words.question())
    )


def passage_question(words: Words) -> Rendered:
    return (
        Rendered()
        .say("### Instruction\nRead the passage and answer the question. Quote at most one sentence.\n\n### Passage\n")
        .put("passage", words.paragraphs(2, 6))
        .say("\n\n### Question\n")
        .put("question", words.question())
        .say("\n\n### Response\n")
    )


def moderation(words: Words) -> Rendered:
    return (
        Rendered()
        .say("You are a content moderator. Categories: harassment, spam, self-harm, none.")
        .user()
        .say('Platform: "')
        .put("platform", words.one_of("forum", "chat", "reviews", "mail"))
        .say('"\nMessage: """')
        .put("message", words.prose(1, 4))
        .say('"""\n\nReturn the category and a confidence between 0 and 1.')
    )


def grading(words: Words) -> Rendered:
    return (
        Rendered()
        .say("Compare the two answers to the question and say which is better.\n\n[Question]\n")
        .put("question", words.question())
        .say("\n\n[Answer A]\n")
        .put("answer_a", words.prose(1, 4))
        .say("\n\n[Answer B]\n")
        .put("answer_b", words.prose(1, 4))
        .say("\n\nReply with A, B or TIE, then give your reason.")
    )


def invoice(words: Words) -> Rendered:
    return (
        Rendered()
        .say("<instructions>\nPull out every line item of the invoice ")
        .put("invoice_id", words.identifier())
        .say(". Amounts are in ")
        .put("currency", words.one_of("EUR", "USD", "GBP"))
        .say('.\nAnswer with {"items": [{"description": "...", "amount": 0}]}\n</instructions>\n<invoice>\n')
        .put("invoice", words.paragraphs(1, 4))
        .say("\n</invoice>")
    )


def entities(words: Words) -> Rendered:
    return (
        Rendered()
        .say("List all people, places and organisations in the article. One per line, as TYPE: name.")
        .user()
        .say("Title: ")
        .put("title", words.phrase(3, 8))
        .say("\nPublished: ")
        .put("published", words.date())
        .say("\n\n")
        .put("article", words.paragraphs(2, 5))
    )


def planner(words: Words) -> Rendered:
    return (
        Rendered()
        .say("# Role\nYou plan trips and may call functions.\n\n# Functions\n1. flights(from, to, day) finds flights.\n")
        .say("2. hotels(city, nights) finds rooms.\n3. weather(city) tells the forecast.\n\n# Traveller\nName: ")
        .put("name", words.name())
        .say("\nHome: ")
        .put("home", words.one_of(*CITIES))
        .say("\nBudget: ")
        .put("budget", words.number(5_000))
        .say(" euro\n\n# Rules\n- Never book without asking.\n- Stop after ")
        .put("steps", words.one_of("5", "8", "10", "12"))
        .say(" steps.")
        .user()
        .put("request", words.prose(1, 2))
    )


def shots_static(words: Words) -> Rendered:
    return (
        Rendered()
        .say("Turn the request into SQL for the table orders(id, customer, total, day).\n\n")
        .say("Q: How many orders are there?\nSQL: SELECT count(*) FROM orders;\n\n")
        .say("Q: Who bought most?\nSQL: SELECT customer FROM orders GROUP BY customer ORDER BY sum(total) DESC LIMIT 1;\n\nQ: ")
        .put("question", words.question())
        .say("\nSQL:")
    )


def shots_retrieved(words: Words) -> Rendered:
    shots = "\n\n".join(
        f"User: {words.question()}\nIntent: {words.one_of('order', 'refund', 'complaint', 'other')}\nReason: {words.phrase(4, 9)}"
        for _ in range(3)
    )
    return (
        Rendered()
        .say("Label the intent of the user. Here are similar cases:\n\n")
        .put("cases", shots)
        .say("\n\nUser: ")
        .put("message", words.question())
        .say("\nIntent:")
    )


def companion(words: Words) -> Rendered:
    return (
        Rendered()
        .say("The following is a conversation with an expert on ")
        .put("topic", words.one_of(*PRODUCTS))
        .say(". The expert answers in ")
        .put("language", words.one_of(*LANGUAGES))
        .say(" and asks at most one question back.\n\nLocal time: ")
        .put("time", f"{words.date()}T{words.random.randint(10, 23)}:{words.random.randint(10, 59)}:00Z")
        .user()
        .put("message", words.prose(1, 4))
    )


def with_options(words: Words) -> Rendered:
    rendered = Rendered().say("Write a product text for ").put("product", words.one_of(*PRODUCTS)).say(" in our shop.\n")
    if words.chance(0.35):
        rendered.say("\n## Audience\n").put("audience", words.sentence()).say("\n")
    if words.chance(0.25):
        rendered.say("\n## Words to avoid\n").put("avoid", ", ".join(words.phrase(1, 1) for _ in range(4))).say("\n")
    rendered.say("\n## Facts\n").put("facts", words.prose(2, 5)).say("\n")
    if words.chance(0.5):
        rendered.say("\nWrite in the second person.")
    return rendered.say("\nThe text has three sentences.")


def memory_chat(words: Words) -> Rendered:
    rendered = Rendered().say("You are a personal assistant.")
    if words.chance(0.6):
        rendered.say("\nWhat you know of the user: ").put("memory", words.prose(1, 3))
    if words.chance(0.3):
        rendered.say("\nThe user's calendar: ").put("calendar", words.prose(1, 2))
    return rendered.say("\nAnswer in the user's language.").user().put("message", words.question())


def router(words: Words) -> Rendered:
    return (
        Rendered()
        .say("Decide which team takes the request: sales, support or legal. Answer with one word.\n\nRequest: ")
        .put("request", words.prose(1, 3))
    )


def rewriter(words: Words) -> Rendered:
    return (
        Rendered()
        .say("Given the conversation, rewrite the last question so that it stands alone.\n\nConversation:\n")
        .put("conversation", words.paragraphs(1, 3))
        .say("\n\nLast question: ")
        .put("question", words.question())
        .say("\nStandalone question:")
    )


def checker(words: Words) -> Rendered:
    return (
        Rendered()
        .say("You check claims.")
        .user()
        .say("Claim: ")
        .put("claim", words.sentence())
        .say("\nEvidence: ")
        .put("evidence", words.prose(1, 4))
        .say("\n\nIs the claim supported? Answer yes or no and say why.")
    )


SHAPES: dict[str, tuple[tuple[Template, ...], ...]] = {
    "retrieval": ((docs_question,), (passage_question,)),
    "classification": ((moderation,), (grading,)),
    "extraction": ((invoice,), (entities,)),
    "agent with tools": ((planner,),),
    "few-shot": ((shots_static,), (shots_retrieved,)),
    "chat": ((companion,),),
    "optional sections": ((with_options,), (memory_chat,)),
    "several templates": ((router, rewriter, checker),),
}
"""The same shapes as in ``tuned`` in other words and other layouts."""
