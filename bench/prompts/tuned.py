"""The templates that the inference was developed with; figures on these prove little."""

from bench.prompts.rendering import Rendered, Template
from bench.prompts.words import CITIES, LANGUAGES, PRODUCTS, Words


def rag(words: Words) -> Rendered:
    found = "\n".join(f"[{number}] {words.prose(1, 4)}" for number in range(1, words.random.randint(2, 6)))
    return (
        Rendered()
        .say("You are a helpful assistant for ACME.\nAnswer from the context only. If it is not there, say so.")
        .user()
        .say("Context:\n")
        .put("context", found)
        .say("\n\nQuestion: ")
        .put("question", words.question())
        .say("\nAnswer:")
    )


def rag_tags(words: Words) -> Rendered:
    return (
        Rendered()
        .say("Use the following documents to answer the question at the end.\n\n<documents>\n")
        .put("documents", words.paragraphs(1, 5))
        .say("\n</documents>\n\n<question>")
        .put("question", words.question())
        .say("</question>\n\nThink first. Then answer in one paragraph.")
    )


def classify(words: Words) -> Rendered:
    return (
        Rendered()
        .say(
            "Classify the ticket into exactly one of: billing, shipping, returns, other.\nReply with the label alone.\n\nTicket: "
        )
        .put("ticket", words.prose(1, 3))
        .say("\nCustomer tier: ")
        .put("tier", words.one_of("gold", "silver", "free"))
        .say("\nLabel:")
    )


def translate(words: Words) -> Rendered:
    return (
        Rendered()
        .say("You are a professional translator.")
        .user()
        .say("Translate the text from ")
        .put("source", words.one_of(*LANGUAGES))
        .say(" to ")
        .put("target", words.one_of(*LANGUAGES))
        .say(". Keep names as they are.\n\nText: ")
        .put("text", words.prose(1, 4))
    )


def extract(words: Words) -> Rendered:
    return (
        Rendered()
        .say('Extract the fields as JSON: {"name": string, "total": number, "date": string}.\nToday is ')
        .put("today", words.date())
        .say(".\n\nDocument:\n```\n")
        .put("document", words.paragraphs(1, 3))
        .say("\n```\n\nJSON:")
    )


def agent(words: Words) -> Rendered:
    return (
        Rendered()
        .say("You are an agent with these tools:\n- search(query): search the web\n- lookup(order_id): look up an order\n\n")
        .say("Current date: ")
        .put("date", words.date())
        .say("\nCustomer: ")
        .put("customer", words.name())
        .say("\n\nUse the format Thought / Action / Observation. Stop with Final Answer.")
        .user()
        .put("message", words.question())
    )


def static_shots(words: Words) -> Rendered:
    return (
        Rendered()
        .say("Decide whether the review is positive or negative.\n\nReview: I loved every minute.\nSentiment: positive\n\n")
        .say("Review: It broke on the first day.\nSentiment: negative\n\nReview: ")
        .put("review", words.prose(1, 2))
        .say("\nSentiment:")
    )


def dynamic_shots(words: Words) -> Rendered:
    shots = "".join(
        f"Input: {words.sentence()}\nOutput: {words.phrase(1, 3)}\n\n" for _ in range(words.random.randint(1, 5))
    ).rstrip()
    return (
        Rendered()
        .say("Rewrite the input as a short title. Examples:\n\n")
        .put("examples", shots)
        .say("\n\nInput: ")
        .put("input", words.sentence())
        .say("\nOutput:")
    )


def chat(words: Words) -> Rendered:
    return (
        Rendered()
        .say("You are Ada, the assistant of a shop in ")
        .put("city", words.one_of(*CITIES))
        .say(". You speak with ")
        .put("name", words.name())
        .say(". Be brief and kind.")
        .user()
        .put("message", words.prose(1, 3))
    )


def optional(words: Words) -> Rendered:
    rendered = Rendered().say("You support customers of ACME.")
    if words.chance(0.4):
        rendered.say("\n\nCustomer profile:\n").put("profile", words.prose(1, 2))
    if words.chance(0.5):
        rendered.say("\n\nEarlier conversation:\n").put("history", words.prose(2, 4))
    rendered.say("\n\nRequest: ").put("request", words.question())
    if words.chance(0.3):
        rendered.say("\n\nAnswer in at most fifty words.")
    return rendered


def ticket_reply(words: Words) -> Rendered:
    return (
        Rendered()
        .say("You support customers of ACME.")
        .user()
        .say("Write a reply to ticket ")
        .put("ticket_id", words.identifier())
        .say(" about ")
        .put("product", words.one_of(*PRODUCTS))
        .say(".\n\nThe customer wrote:\n")
        .put("text", words.prose(1, 4))
        .say("\n\nReply:")
    )


def ticket_summary(words: Words) -> Rendered:
    return (
        Rendered()
        .say("You support customers of ACME.")
        .user()
        .say("Summarise this thread in three bullet points for the team.\n\nThread:\n")
        .put("thread", words.paragraphs(2, 4))
    )


def title(words: Words) -> Rendered:
    return (
        Rendered()
        .say("Give the conversation a title of at most five words. No quotes.\n\n")
        .put("conversation", words.prose(2, 5))
        .say("\n\nTitle:")
    )


SHAPES: dict[str, tuple[tuple[Template, ...], ...]] = {
    "retrieval": ((rag,), (rag_tags,)),
    "classification": ((classify,), (translate,)),
    "extraction": ((extract,),),
    "agent with tools": ((agent,),),
    "few-shot": ((static_shots,), (dynamic_shots,)),
    "chat": ((chat,),),
    "optional sections": ((optional,),),
    "several templates": ((ticket_reply, ticket_summary, title),),
}
"""Each shape with its agents, of which each has one template or several."""
