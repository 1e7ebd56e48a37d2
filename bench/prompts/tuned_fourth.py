"""Templates that the inference was developed with, after it was measured on them without (``docs/benchmarks.md``)."""

from bench.prompts.rendering import Rendered, Template
from bench.prompts.words import CITIES, LANGUAGES, PRODUCTS, Words


def sources(words: Words) -> Rendered:
    found = "\n\n".join(
        f"Source {chr(64 + number)}: {words.phrase(2, 5)}\n{words.prose(1, 4)}" for number in range(1, words.random.randint(2, 5))
    )
    return (
        Rendered()
        .say("# Task\nWrite a short answer with citations such as (A).\n\n# Sources\n")
        .put("sources", found)
        .say("\n\n# Question\n")
        .put("question", words.question())
    )


def policy_lookup(words: Words) -> Rendered:
    return (
        Rendered()
        .say("You know the travel policy of the company and nothing else.")
        .user()
        .put("employee", words.name())
        .say(" asks: ")
        .put("question", words.question())
        .say("\n\nRelevant paragraphs, the best match first:\n\n")
        .put("paragraphs", words.paragraphs(1, 4))
    )


def sentiment(words: Words) -> Rendered:
    return (
        Rendered()
        .say("Tweet: ")
        .put("tweet", words.prose(1, 2))
        .say("\n\nWhat is the sentiment of this tweet towards ")
        .put("target", words.one_of(*PRODUCTS))
        .say("? Choose positive, neutral or negative.")
    )


def intent(words: Words) -> Rendered:
    return (
        Rendered()
        .say("You route calls. Departments: booking, baggage, refunds, other. Reply as JSON with department and confidence.")
        .user()
        .say("[call ")
        .put("call_id", words.number(90_000))
        .say("] transcript (")
        .put("language", words.one_of(*LANGUAGES))
        .say("):\n")
        .put("transcript", words.paragraphs(1, 3))
    )


def contract(words: Words) -> Rendered:
    return (
        Rendered()
        .say("From the contract between the lines, extract parties, start date and notice period.\n")
        .say('Schema: {"parties": ["string"], "start": "date", "notice_days": 0}\n~~~\n')
        .put("contract", words.paragraphs(2, 5))
        .say("\n~~~\nFile: ")
        .put("file", f"{words.identifier()}.docx")
        .say("\nIf a field is missing, use null.")
    )


def shell(words: Words) -> Rendered:
    return (
        Rendered()
        .say("You operate a Linux machine through the function run(command). Working directory: /srv/")
        .put("directory", words.one_of("app", "www", "data", "jobs"))
        .say("\nUser: ")
        .put("user", words.one_of("root", "deploy", "ann"))
        .say("\nNever delete anything. Explain each command before you run it.")
        .user()
        .put("goal", words.prose(1, 2))
    )


def steps_so_far(words: Words) -> Rendered:
    steps = "\n".join(f"{number}. {words.sentence()}" for number in range(1, words.random.randint(2, 7)))
    return (
        Rendered()
        .say("Goal: ")
        .put("goal", words.sentence())
        .say("\n\nSteps taken so far:\n")
        .put("steps", steps)
        .say("\n\nSay the next step in one sentence, or DONE.")
    )


def unit_shots(words: Words) -> Rendered:
    return (
        Rendered()
        .say("English to French.\n\nsea otter => loutre de mer\npeppermint => menthe poivrée\ncheese => fromage\n")
        .put("word", words.phrase(1, 3))
        .say(" =>")
    )


def ticket_shots(words: Words) -> Rendered:
    shots = "\n\n".join(
        f"Ticket: {words.prose(1, 2)}\nTeam: {words.one_of('network', 'hardware', 'accounts')}"
        for _ in range(words.random.randint(1, 5))
    )
    return (
        Rendered()
        .say("Which team takes the ticket?")
        .user()
        .put("cases", shots)
        .say("\n\nTicket: ")
        .put("ticket", words.prose(1, 2))
        .say("\nTeam:")
    )


def guide(words: Words) -> Rendered:
    return (
        Rendered()
        .say("Act as a tour guide in ")
        .put("city", words.one_of(*CITIES))
        .say(" for a group of ")
        .put("size", words.number(40))
        .say(". Speak ")
        .put("language", words.one_of(*LANGUAGES))
        .say(".")
        .user()
        .put("message", words.question())
    )


def report_options(words: Words) -> Rendered:
    rendered = Rendered().say("Summarise the report.")
    if words.chance(0.4):
        rendered.say(" Write for ").put("readers", words.one_of("nurses", "investors", "children")).say(".")
    rendered.say("\n\nReport:\n").put("report", words.paragraphs(1, 4))
    if words.chance(0.3):
        rendered.say("\n\nPrevious summary:\n").put("previous", words.prose(1, 2))
    return rendered.say("\n\nSummary:")


def shop_options(words: Words) -> Rendered:
    rendered = Rendered().say("You are the assistant of a shop.")
    if words.chance(0.5):
        rendered.say("\n\n[CART]\n").put(
            "cart", "\n".join(f"- {words.one_of(*PRODUCTS)}" for _ in range(words.random.randint(1, 4)))
        )
    if words.chance(0.4):
        rendered.say("\n\n[VOUCHER]\n").put("voucher", words.identifier())
    return rendered.user().put("message", words.prose(1, 2))


def outline(words: Words) -> Rendered:
    return (
        Rendered()
        .say("Make an outline of five headings for an article.\nSubject: ")
        .put("subject", words.phrase(2, 6))
        .say("\nReaders: ")
        .put("readers", words.one_of("experts", "beginners"))
    )


def section(words: Words) -> Rendered:
    return (
        Rendered()
        .say("Write the section below in at most 200 words. Do not repeat the heading.\n\nHeading: ")
        .put("heading", words.phrase(2, 6))
        .say("\nOutline:\n")
        .put("outline", words.paragraphs(1, 2))
    )


def proofread(words: Words) -> Rendered:
    return (
        Rendered()
        .say("You are a proofreader of ")
        .put("language", words.one_of(*LANGUAGES))
        .say(" texts. Return the corrected text and nothing else.")
        .user()
        .put("text", words.paragraphs(1, 3))
    )


SHAPES: dict[str, tuple[tuple[Template, ...], ...]] = {
    "retrieval": ((sources,), (policy_lookup,)),
    "classification": ((sentiment,), (intent,)),
    "extraction": ((contract,),),
    "agent with tools": ((shell,), (steps_so_far,)),
    "few-shot": ((unit_shots,), (ticket_shots,)),
    "chat": ((guide,),),
    "optional sections": ((report_options,), (shop_options,)),
    "several templates": ((outline, section, proofread),),
}
"""The shapes once more, in words and layouts of their own."""
