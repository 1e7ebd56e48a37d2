"""Templates that the inference was developed with, after it was measured on them without (``docs/benchmarks.md``)."""

from bench.prompts.rendering import Rendered, Template
from bench.prompts.words import CITIES, LANGUAGES, PRODUCTS, Words


def chunks_below(words: Words) -> Rendered:
    """As LlamaIndex asks."""
    found = "\n\n".join(
        f"page_label: {words.number(400)}\nfile_path: {words.identifier()}.pdf\n\n{words.prose(2, 7)}" for _ in range(2)
    )
    return (
        Rendered()
        .say("You are an expert Q&A system that is trusted around the world.\nNever refer to the context directly.")
        .user()
        .say("Context information is below.\n---------------------\n")
        .put("context", found)
        .say("\n---------------------\nGiven the context information and not prior knowledge, answer the query.\nQuery: ")
        .put("query", words.question())
        .say("\nAnswer: ")
    )


def chunks_inline(words: Words) -> Rendered:
    """As LangChain's hub has it: one message, everything on lines of its own."""
    return (
        Rendered()
        .say("You are an assistant for question-answering tasks. Use the following pieces of retrieved context to answer the ")
        .say("question. If you don't know the answer, just say that you don't know. Use three sentences maximum.\nQuestion: ")
        .put("question", words.question())
        .say(" \nContext: ")
        .put("context", words.paragraphs(2, 6))
        .say(" \nAnswer:")
    )


def spam(words: Words) -> Rendered:
    return (
        Rendered()
        .say("Is this mail spam? Consider sender, subject and body.\n\nFrom: ")
        .put("sender", f"{words.random.choice('abcdefgh')}{words.number()}@example.{words.one_of('com', 'org')}")
        .say("\nSubject: ")
        .put("subject", words.phrase(2, 8))
        .say("\nBody:\n")
        .put("body", words.paragraphs(1, 3))
        .say("\n\nAnswer SPAM or HAM.")
    )


def priority(words: Words) -> Rendered:
    return (
        Rendered()
        .say("Rate the urgency of bug reports from 1 to 5.")
        .user()
        .say('{"component": "')
        .put("component", words.one_of("api", "worker", "console", "billing"))
        .say('", "reporter": "')
        .put("reporter", words.name())
        .say('", "report": "')
        .put("report", words.prose(1, 3).replace('"', "'"))
        .say('", "attachments": ')
        .put("attachments", words.number(6))
        .say("}")
    )


def resume(words: Words) -> Rendered:
    return (
        Rendered()
        .say("Extract skills and years of experience for the position of ")
        .put("position", words.one_of("nurse", "data engineer", "cook", "site manager", "UX writer"))
        .say(" from the CV below. Return YAML with the keys skills, years and notes.\n\n=== CV ===\n")
        .put("cv", words.paragraphs(2, 5))
        .say("\n=== END ===")
    )


def receipts(words: Words) -> Rendered:
    rows = "\n".join(f"{words.date()},{words.phrase(1, 3)},{words.number()}" for _ in range(words.random.randint(2, 8)))
    return (
        Rendered()
        .say("Find the total.\n\n| rule | value |\n|---|---|\n| currency | EUR |\n\nCSV:\ndate,what,amount\n")
        .put("rows", rows)
        .say("\n\nRespond with the number only.")
    )


def react(words: Words) -> Rendered:
    scratch = "".join(
        f"\nThought: {words.sentence()}\nAction: search\nAction Input: {words.phrase()}\nObservation: {words.prose(1, 2)}"
        for _ in range(words.random.randint(0, 4))
    )
    return (
        Rendered()
        .say("Answer the following questions as best you can. You have access to the following tools:\n\n")
        .say("search: useful for questions about current events\ncalculator: useful for sums\n\nUse the following format:\n\n")
        .say(
            "Question: the input question you must answer\nThought: you should always think "
            "about what to do\nAction: the action to "
        )
        .say(
            "take\nAction Input: the input to the action\nObservation: the result of the "
            "action\nFinal Answer: the answer\n\nBegin!\n\n"
        )
        .say("Question: ")
        .put("input", words.question())
        .put("scratchpad", scratch)
    )


def tool_caller(words: Words) -> Rendered:
    return (
        Rendered()
        .say("<role>Booking agent of ")
        .put("hotel", f"Hotel {words.one_of(*CITIES)}")
        .say(
            '</role>\n<tools>\n<tool name="rooms">Lists free rooms.</tool>\n<tool '
            'name="book">Books a room.</tool>\n</tools>\n<guest id="'
        )
        .put("guest_id", words.number(99_999))
        .say('">')
        .put("guest", words.name())
        .say("</guest>\n<now>")
        .put("now", f"{words.date()} {words.random.randint(10, 23)}:{words.random.randint(10, 59)}")
        .say("</now>")
        .user()
        .put("message", words.prose(1, 2))
    )


def shots_fixed(words: Words) -> Rendered:
    return (
        Rendered()
        .say("Convert each sentence to a haiku title.\n\nSentence: The rain fell all night.\nTitle: Night rain\n###\n")
        .say(
            "Sentence: Nobody came to the party.\nTitle: Empty chairs\n###\nSentence: My "
            "keys are gone again.\nTitle: Lost keys\n###\nSentence: "
        )
        .put("sentence", words.sentence())
        .say("\nTitle:")
    )


def shots_chosen(words: Words) -> Rendered:
    shots = "\n\n".join(
        f"<example>\n<text>{words.sentence()}</text>\n<label>{words.one_of('A', 'B', 'C')}</label>\n</example>"
        for _ in range(words.random.randint(2, 5))
    )
    return (
        Rendered()
        .say("Assign one of the labels A, B or C.\n\n<examples>\n")
        .put("examples", shots)
        .say("\n</examples>\n\n<text>")
        .put("text", words.sentence())
        .say("</text>")
    )


def tutor(words: Words) -> Rendered:
    return (
        Rendered()
        .say("You are a patient tutor. The student is called ")
        .put("student", words.name())
        .say(", is ")
        .put("age", words.one_of("9", "12", "15", "17"))
        .say(" years old and learns ")
        .put("language", words.one_of(*LANGUAGES))
        .say(".\nNever give the solution away.")
        .user()
        .put("message", words.question())
    )


def with_history(words: Words) -> Rendered:
    turns = "\n".join(f"Human: {words.question()}\nAI: {words.sentence()}" for _ in range(words.random.randint(1, 4)))
    return (
        Rendered()
        .say(
            "The following is a friendly conversation between a human and an AI. The AI is talkative.\n\nCurrent conversation:\n"
        )
        .put("history", turns)
        .say("\nHuman: ")
        .put("input", words.question())
        .say("\nAI:")
    )


def mail_options(words: Words) -> Rendered:
    rendered = Rendered().say("Write a mail to ").put("recipient", words.name()).say(".\n\n")
    rendered.say("Purpose: ").put("purpose", words.phrase(3, 9)).say("\n")
    if words.chance(0.6):
        rendered.say("Tone: ").put("tone", words.one_of("formal", "warm", "short")).say("\n")
    if words.chance(0.4):
        rendered.say("Deadline: ").put("deadline", words.date()).say("\n")
    if words.chance(0.3):
        rendered.say("Attachments: ").put("attachments", words.identifier()).say("\n")
    return rendered.say("\nSign as the sales team.")


def review_options(words: Words) -> Rendered:
    rendered = Rendered().say("You review changes to code.")
    if words.chance(0.5):
        rendered.say("\n\n<guidelines>\n").put("guidelines", words.paragraphs(1, 2)).say("\n</guidelines>")
    rendered.user().say("<diff>\n").put("diff", words.paragraphs(1, 4)).say("\n</diff>")
    if words.chance(0.4):
        rendered.say("\n\n<author_note>").put("note", words.sentence()).say("</author_note>")
    return rendered.say("\n\nList the problems, the worst first.")


def split_task(words: Words) -> Rendered:
    return (
        Rendered()
        .say("You plan research.")
        .user()
        .say("Break the following task into at most five steps. One step per line.\n\nTask: ")
        .put("task", words.prose(1, 2))
    )


def do_step(words: Words) -> Rendered:
    return (
        Rendered()
        .say("You plan research.")
        .user()
        .say("Carry out step ")
        .put("step", words.number(5))
        .say(" of the plan with the notes so far.\n\nPlan:\n")
        .put("plan", words.paragraphs(1, 2))
        .say("\n\nNotes:\n")
        .put("notes", words.paragraphs(1, 3))
        .say("\n\nResult:")
    )


def reflect(words: Words) -> Rendered:
    return (
        Rendered()
        .say("You criticise drafts about ")
        .put("topic", words.one_of(*PRODUCTS))
        .say(" without mercy.")
        .user()
        .say("Draft:\n\n")
        .put("draft", words.paragraphs(1, 4))
        .say("\n\nWhat is missing? Name at most three things.")
    )


SHAPES: dict[str, tuple[tuple[Template, ...], ...]] = {
    "retrieval": ((chunks_below,), (chunks_inline,)),
    "classification": ((spam,), (priority,)),
    "extraction": ((resume,), (receipts,)),
    "agent with tools": ((react,), (tool_caller,)),
    "few-shot": ((shots_fixed,), (shots_chosen,)),
    "chat": ((tutor,), (with_history,)),
    "optional sections": ((mail_options,), (review_options,)),
    "several templates": ((split_task, do_step, reflect),),
}
"""Shapes as they are published with well-known libraries and guides, each in words of its own."""
