"""Templates that the inference was not developed with: layouts of prompts that are in public use, values aside."""

from bench.prompts.rendering import Rendered, Template
from bench.prompts.words import Words


def stuffed(words: Words) -> Rendered:
    return (
        Rendered()
        .say("You are an assistant for question-answering tasks. Use the following pieces of retrieved context to answer the ")
        .say("question. If you don't know the answer, just say that you don't know. Use three sentences maximum.\nQuestion: ")
        .put("question", words.question())
        .say(" \nContext: ")
        .put("context", "\n\n".join(words.prose(1, 4) for _ in range(words.random.randint(1, 4))))
        .say(" \nAnswer:")
    )


def refine(words: Words) -> Rendered:
    return (
        Rendered()
        .say("The original query is as follows: ")
        .put("query", words.question())
        .say("\nWe have provided an existing answer: ")
        .put("answer", words.prose(1, 3))
        .say(
            "\nWe have the opportunity to refine the existing answer (only if needed) with some more context below.\n"
            "------------\n"
        )
        .put("context", words.paragraphs(1, 3))
        .say("\n------------\nGiven the new context, refine the original answer to better answer the query.\nRefined Answer: ")
    )


def with_sources(words: Words) -> Rendered:
    found = "\n".join(
        f"Content: {words.prose(1, 3)}\nSource: {words.random.randint(1, 40)}-pl" for _ in range(words.random.randint(1, 4))
    )
    return (
        Rendered()
        .say('Given the following extracted parts of a long document and a question, create a final answer ("SOURCES").\n\n')
        .say("QUESTION: ")
        .put("question", words.question())
        .say("\n=========\n")
        .put("summaries", found)
        .say("\n=========\nFINAL ANSWER:")
    )


def hallucination(words: Words) -> Rendered:
    return (
        Rendered()
        .say("In this task, you decide whether an answer is factual.\n\n[BEGIN DATA]\n************\n[Query]: ")
        .put("input", words.question())
        .say("\n************\n[Reference text]: ")
        .put("reference", words.paragraphs(1, 3))
        .say("\n************\n[Answer]: ")
        .put("output", words.prose(1, 2))
        .say("\n************\n[END DATA]\n\nIs the answer above factual or hallucinated?")
    )


def pairwise(words: Words) -> Rendered:
    return (
        Rendered()
        .say("Please act as an impartial judge and evaluate the quality of the responses of two AI assistants.")
        .user()
        .say("[User Question]\n")
        .put("question", words.prose(1, 2))
        .say("\n\n[The Start of Assistant A's Answer]\n")
        .put("answer_a", words.paragraphs(1, 2))
        .say("\n[The End of Assistant A's Answer]\n\n[The Start of Assistant B's Answer]\n")
        .put("answer_b", words.paragraphs(1, 2))
        .say("\n[The End of Assistant B's Answer]")
    )


def triplets(words: Words) -> Rendered:
    return (
        Rendered()
        .say("Some text is provided below. Given the text, extract up to ")
        .put("most", words.one_of("2", "5", "10"))
        .say(" knowledge triplets in the form of (subject, predicate, object). Avoid stopwords.\n---------------------\nExample:")
        .say(
            "Text: Alice is Bob's mother.Triplets:\n(Alice, is mother of, Bob)\nText: Philz is a coffee shop founded in "
            "Berkeley.\n"
        )
        .say("Triplets:\n(Philz, is, coffee shop)\n(Philz, founded in, Berkeley)\n---------------------\nText: ")
        .put("text", words.prose(1, 4))
        .say("\nTriplets:\n")
    )


def sql(words: Words) -> Rendered:
    question = words.question()
    tables = "\n\n".join(
        f"CREATE TABLE {words.random.choice(('users', 'orders', 'items'))} (\n  id INTEGER,\n  n{words.number(9)} TEXT\n);"
        for _ in range(words.random.randint(1, 4))
    )
    return (
        Rendered()
        .say("### Task\nGenerate a SQL query to answer [QUESTION]")
        .put("question", question)
        .say("[/QUESTION]\n\n### Database Schema\nThe query will run on a database with the following schema:\n")
        .put("schema", tables)
        .say("\n\n### Answer\nGiven the database schema, here is the SQL query that [QUESTION]")
        .put("question", question)
        .say("[/QUESTION]\n[SQL]\n")
    )


def react(words: Words) -> Rendered:
    steps = "".join(
        f" {words.sentence()}\nAction: {words.one_of('search', 'calculator')}\nAction Input: {words.phrase()}\n"
        f"Observation: {words.prose(1, 2)}\nThought:"
        for _ in range(words.random.randint(0, 3))
    )
    return (
        Rendered()
        .say("Answer the following questions as best you can. You have access to the following tools:\n\n")
        .say("search: looks something up\ncalculator: does sums\n\nUse the following format:\n\nQuestion: the input question\n")
        .say("Thought: you should always think about what to do\nAction: one of [search, calculator]\nAction Input: the input\n")
        .say("Observation: the result of the action\n\nBegin!\n\nQuestion: ")
        .put("input", words.question())
        .say("\nThought:")
        .put("agent_scratchpad", steps)
    )


def baby(words: Words) -> Rendered:
    return (
        Rendered()
        .say("You are an AI who performs one task based on the following objective: ")
        .put("objective", words.phrase(3, 8))
        .say(". Take into account these previously completed tasks: [")
        .put("context", ", ".join(f"'{words.phrase()}'" for _ in range(words.random.randint(1, 4))))
        .say("].\nYour task: ")
        .put("task", words.sentence())
        .say("\nResponse:")
    )


def signature(words: Words) -> Rendered:
    shots = "\n\n---\n\n".join(
        f"Question: {words.question()}\nAnswer: {words.phrase()}" for _ in range(words.random.randint(1, 4))
    )
    return (
        Rendered()
        .say("Answer questions with short factoid answers.\n\n---\n\nFollow the following format.\n\nQuestion: ${question}\n")
        .say("Answer: often between 1 and 5 words\n\n---\n\n")
        .put("demos", shots)
        .say("\n\n---\n\nQuestion: ")
        .put("question", words.question())
        .say("\nAnswer:")
    )


def arithmetic(words: Words) -> Rendered:
    return (
        Rendered()
        .say("Q: There are 15 trees in the grove. After planting there will be 21. How many were planted?\nA: 21 - 15 = 6. The ")
        .say(
            "answer is 6.\n\nQ: If there are 3 cars and 2 more arrive, how many are there?\nA: 3 + 2 = 5. The answer is 5.\n\nQ: "
        )
        .put("question", words.prose(1, 3))
        .say("\nA: Let's think step by step.")
    )


def condense(words: Words) -> Rendered:
    history = "\n".join(f"Human: {words.sentence()}\nAssistant: {words.prose(1, 2)}" for _ in range(words.random.randint(1, 4)))
    return (
        Rendered()
        .say("Given the following conversation and a follow up question, rephrase the follow up question to be a standalone ")
        .say("question, in its original language.\n\nChat History:\n")
        .put("chat_history", history)
        .say("\nFollow Up Input: ")
        .put("question", words.question())
        .say("\nStandalone question:")
    )


def conversation(words: Words) -> Rendered:
    history = "\n".join(f"Human: {words.sentence()}\nAI: {words.prose(1, 2)}" for _ in range(words.random.randint(1, 4)))
    return (
        Rendered()
        .say("The following is a friendly conversation between a human and an AI. The AI is talkative and truthful.\n\n")
        .say("Current conversation:\n")
        .put("history", history)
        .say("\nHuman: ")
        .put("input", words.sentence())
        .say("\nAI:")
    )


def instruct(words: Words) -> Rendered:
    rendered = Rendered().say("Below is an instruction that describes a task.\n\n### Instruction:\n").put("i", words.sentence())
    if words.chance(0.5):
        rendered.say("\n\n### Input:\n").put("input", words.prose(1, 3))
    return rendered.say("\n\n### Response:")


def companion(words: Words) -> Rendered:
    rendered = Rendered().say("You are a helpful assistant with long-term memory.")
    if words.chance(0.6):
        rendered.say("\n\n<memories>\n").put("memories", "\n".join(f"- {words.sentence()}" for _ in range(3))).say(
            "\n</memories>"
        )
    if words.chance(0.4):
        rendered.say("\n\nThe current date is ").put("date", words.date()).say(".")
    return rendered.say("\n\nAnswer briefly.").user().put("message", words.prose(1, 2))


def hyde(words: Words) -> Rendered:
    return (
        Rendered()
        .say("Please write a passage to answer the question\nTry to include as many key details as possible.\n\n\n")
        .put("question", words.question())
        .say('\n\n\nPassage:"""\n')
    )


def queries(words: Words) -> Rendered:
    return (
        Rendered()
        .say("You are a helpful assistant that generates multiple search queries based on a single input query. Generate ")
        .put("count", words.number(9))
        .say(" search queries, one on each line, related to the following input query:\nQuery: ")
        .put("query", words.question())
        .say("\nQueries:\n")
    )


def concise(words: Words) -> Rendered:
    return (
        Rendered()
        .say('Write a concise summary of the following:\n\n\n"')
        .put("text", words.paragraphs(1, 4))
        .say('"\n\n\nCONCISE SUMMARY:')
    )


SHAPES: dict[str, tuple[tuple[Template, ...], ...]] = {
    "retrieval": ((stuffed,), (refine,), (with_sources,)),
    "classification": ((hallucination,), (pairwise,)),
    "extraction": ((triplets,), (sql,)),
    "agent with tools": ((react,), (baby,)),
    "few-shot": ((signature,), (arithmetic,)),
    "chat": ((condense,), (conversation,)),
    "optional sections": ((instruct,), (companion,)),
    "several templates": ((hyde, queries, concise),),
}
"""The shapes once more, in the words and layouts of public prompts."""
