"""Templates inferred from texts alone."""

import random
import re
import string
import time
from collections.abc import Callable, Sequence

import pytest

from spectral_platform.inference.inferring import Inference, Inferred, Prompt, infer
from spectral_platform.inference.naming import VariableType
from spectral_platform.inference.tokens import BOUNDARY

WORDS = re.findall(
    r"\w+",
    """an order was shipped on Monday and should arrive within two days unless customs holds it please check
    version of policy refunds section before say what customer may expect tool answered status transit parcels see more
    return window is thirty from delivery date item must be unused in original box""",
)
PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")


class Values:
    """Random values."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def words(self, fewest: int, most: int) -> str:
        return " ".join(self.random.choices(WORDS, k=self.random.randint(fewest, most))).capitalize()

    def one_of(self, *values: str) -> str:
        return self.random.choice(values)


def of_texts(texts: Sequence[str]) -> Inference:
    return infer([Prompt(text) for text in texts])


def whole(template: Inferred, between: str = "\n\n") -> str:
    return template.base_prompt if template.user_prompt is None else f"{template.base_prompt}{between}{template.user_prompt}"


def filled(template: Inferred, values: dict[str, str], like: str) -> str:
    between = BOUNDARY if BOUNDARY in like else "\n\n"
    return PLACEHOLDER.sub(lambda match: values.get(match.group(1), ""), whole(template, between))


def retrieval(values: Values) -> str:
    found = "\n".join(f"[{number}] {values.words(10, 40)}." for number in range(1, values.random.randint(2, 6)))
    return f"Answer from the context.{BOUNDARY}Context:\n{found}\n\nQuestion: {values.words(4, 9)}?\nAnswer:"


def translation(values: Values) -> str:
    languages = ("English", "German", "Dutch")
    source, target = values.one_of(*languages), values.one_of(*languages)
    return f"Translate the text from {source} to {target}. Be exact.\n\nText: {values.words(5, 30)}"


def shots(values: Values) -> str:
    given = "".join(f"Input: {values.words(4, 9)}\nOutput: {values.words(1, 2)}\n\n" for _ in range(values.random.randint(1, 4)))
    return f"Shorten the input.\n\n{given}Input: {values.words(4, 9)}\nOutput:"


def sections(values: Values) -> str:
    text = "You help customers."
    if values.random.random() < 0.5:
        text += f"\n\nProfile:\n{values.words(5, 12)}"
    if values.random.random() < 0.5:
        text += f"\n\nHistory:\n{values.words(5, 12)}"
    return f"{text}\n\nRequest: {values.words(3, 9)}"


def typed(values: Values) -> str:
    day = f"2026-{values.random.randint(1, 12):02}-{values.random.randint(1, 28):02}"
    cart = values.one_of("[1, 2]", "[]", "{}", "[3.5]", '{"a": null}')
    address = f"{values.one_of(*WORDS)}@example.org"
    return (
        f"Today is {day}. The customer has {values.random.randint(1, 99)} points.\n<email>{address}</email>\n"
        f"Tier: {values.one_of('gold', 'silver')}\nPage: https://example.org/{values.random.random()}\n"
        f"Cart: {cart}\nNote: {values.words(5, 30)}"
    )


SHAPES: dict[Callable[[Values], str], dict[str, VariableType]] = {
    retrieval: {"context": VariableType.LIST, "question": VariableType.LINE},
    translation: {"source": VariableType.CHOICE, "target": VariableType.CHOICE, "text": VariableType.LINE},
    shots: {"examples": VariableType.EXAMPLES, "input": VariableType.LINE},
    sections: {
        "profile_section": VariableType.SECTION,
        "profile": VariableType.LINE,
        "history_section": VariableType.SECTION,
        "history": VariableType.LINE,
        "request": VariableType.LINE,
    },
    typed: {
        "points": VariableType.NUMBER,
        "email": VariableType.EMAIL,
        "tier": VariableType.CHOICE,
        "page": VariableType.URL,
        "cart": VariableType.JSON,
        "note": VariableType.LINE,
    },
}


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_variables_are_named_after_what_comes_before_them_and_typed_by_their_values(shape: Callable[[Values], str]) -> None:
    values = Values(1)

    found = of_texts([shape(values) for _ in range(40)])

    (template,) = found.templates
    told = {variable.name: variable.type for variable in template.variables}
    assert SHAPES[shape].items() <= told.items(), told
    assert (template.coverage, found.unmatched_count) == (1.0, 0)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_a_covered_prompt_is_the_template_with_its_values_put_in(shape: Callable[[Values], str]) -> None:
    values = Values(2)
    texts = [shape(values) for _ in range(40)]

    (template,) = of_texts(texts).templates

    assert len(template.exemplars) == 5
    for exemplar in template.exemplars:
        assert filled(template, exemplar.values, texts[exemplar.prompt]) == texts[exemplar.prompt]


def test_several_templates_behind_one_name_are_told_apart_and_strangers_are_left_over() -> None:
    values = Values(3)
    texts = [values.one_of(*(shape(values) for shape in (retrieval, translation, sections))) for _ in range(90)]
    texts += ["".join(values.random.choices(string.printable, k=300)) for _ in range(4)]

    found = of_texts(texts)

    assert len(found.templates) == 3
    assert sum(template.matched for template in found.templates) == 90
    assert (found.unmatched, found.unmatched_count) == ((90, 91, 92, 93), 4)


def test_a_system_prompt_that_templates_share_does_not_make_them_one() -> None:
    values = Values(4)
    texts = [
        f"You support customers of ACME. Be kind and brief.{BOUNDARY}"
        + values.one_of(
            f"Summarise the thread in three points for the team.\n\nThread:\n{values.words(20, 40)}",
            f"Write a reply to the customer, who is angry.\n\nThe customer wrote:\n{values.words(5, 30)}\n\nReply:",
        )
        for _ in range(40)
    ]

    found = of_texts(texts)

    assert [template.base_prompt for template in found.templates] == ["You support customers of ACME. Be kind and brief."] * 2
    assert found.unmatched_count == 0


def test_names_of_attributes_with_the_same_values_come_first() -> None:
    values = Values(5)
    asked = [values.words(4, 9) for _ in range(20)]
    prompts = [Prompt(f"Answer kindly.{BOUNDARY}Question: {each}\nAnswer:", said={"customerRequest": each}) for each in asked]

    (template,) = infer(prompts).templates

    assert template.user_prompt == "Question: {{customer_request}}\nAnswer:"


def test_a_value_that_stands_twice_is_one_variable() -> None:
    values = Values(6)
    texts = [
        f"You speak with {(name := values.words(1, 2))}.\nAlways call them {name}.\nRequest: {values.words(4, 9)}"
        for _ in range(20)
    ]

    (template,) = of_texts(texts).templates

    assert len(template.variables) == 2
    assert whole(template).count(f"{{{{{template.variables[0].name}}}}}") == 2


def test_a_lone_user_message_is_the_input() -> None:
    values = Values(7)

    (template,) = of_texts([f"You are Ada. Be brief.{BOUNDARY}{values.words(3, 20)}" for _ in range(20)]).templates

    assert (template.base_prompt, template.user_prompt) == ("You are Ada. Be brief.", None)
    assert [variable.name for variable in template.variables] == ["input"]


def test_examples_in_the_constant_text_are_told() -> None:
    values = Values(8)
    fixed = "Is it good?\n\nReview: I loved it.\nSentiment: positive\n\nReview: It broke.\nSentiment: negative\n\n"

    (template,) = of_texts([f"{fixed}Review: {values.words(4, 20)}\nSentiment:" for _ in range(20)]).templates

    assert [(shot.input, shot.output) for shot in template.shots] == [("I loved it.", "positive"), ("It broke.", "negative")]


def test_earlier_turns_that_all_prompts_have_are_examples_and_others_are_not() -> None:
    values = Values(9)
    fixed = (("user", "2 + 2"), ("assistant", "4"))
    prompts = [
        Prompt(
            f"Count.{BOUNDARY}{values.words(3, 9)}",
            turns=(*fixed, ("user", values.words(2, 4)), ("assistant", values.words(2, 4))),
        )
        for _ in range(10)
    ]

    (template,) = infer([Prompt(each.text.replace("Count.", "Count slowly."), turns=each.turns) for each in prompts]).templates

    assert template.turns == (("2 + 2", "4"),)


HOSTILE: dict[str, Callable[[random.Random, int], str]] = {
    "nothing": lambda drawn, number: "",
    "space": lambda drawn, number: " \n\t" * (number % 5),
    "all different": lambda drawn, number: " ".join("".join(drawn.choices(string.ascii_lowercase, k=7)) for _ in range(30)),
    "noise": lambda drawn, number: "".join(chr(drawn.randrange(1, 0xD7FF)) for _ in range(300)),
    "one long word": lambda drawn, number: "".join(drawn.choices(string.ascii_letters, k=20_000)),
    "prose": lambda drawn, number: " ".join(drawn.choices(WORDS, k=60)),
    "marks": lambda drawn, number: "".join(drawn.choices("?.!{}[]#*-\n ", k=500)),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_has_no_template_gets_none(kind: str) -> None:
    drawn = random.Random(10)

    found = of_texts([HOSTILE[kind](drawn, number) for number in range(100)])

    assert found.templates == ()
    assert (found.prompts, found.unmatched_count, len(found.unmatched)) == (100, 100, 20)


@pytest.mark.parametrize(
    "text", ["Say hello to the customer.", "{name} (.*) \\1 [a-z]+ $", "订单已经在星期一发货了请查看", "🙂 na‍ïve \u202e"]
)
def test_one_prompt_many_times_is_all_constant_and_proves_little(text: str) -> None:
    (template,) = of_texts([text] * 100).templates if len(text) >= 12 else of_texts([text * 3] * 100).templates

    assert (template.variables, template.coverage, template.constant_share) == ((), 1.0, 1.0)
    assert template.confidence < 0.3


def test_confidence_grows_with_the_number_of_different_prompts() -> None:
    values = Values(11)

    few, some, many = (of_texts([translation(values) for _ in range(count)]).templates[0].confidence for count in (6, 30, 200))

    assert 0 < few < some < many < 1


def test_scripts_without_spaces_are_aligned_by_the_character() -> None:
    drawn = random.Random(12)
    names = ["小明", "李雷", "韩梅梅", "王芳", "张伟", "刘洋", "陈静", "杨光", "赵敏", "周杰"]
    texts = [
        f"你是客服助手。请回答{drawn.choice(names)}的问题：{''.join(drawn.choices('订单发货退款物流价格', k=9))}。请用中文。"
        for _ in range(40)
    ]

    (template,) = of_texts(texts).templates

    assert whole(template).startswith("你是客服助手。请回答{{")
    assert "}}的问题：{{" in whole(template)
    assert template.coverage == 1.0


@pytest.mark.parametrize("value", ["[" + "9" * 5_000 + "]", "[" * 5_000, "{" + "1" * 5_000, "9" * 5_000])
def test_values_that_no_library_reads_are_values_all_the_same(value: str) -> None:
    told = of_texts([f"Read the data below and sum it up.\nData: {number}{value}\nSum:" for number in ("", *"123456789")])

    assert told.templates[0].coverage == 1


def test_names_consist_of_letters_that_placeholders_may_have() -> None:
    texts = [f"Name the town of this province.\nProvince: {name}\nTown:" for name in ("Bursa", "Van", "Muğla", "Sinop")]
    told = infer([Prompt(text, {"İl": text.split()[7]}) for text in texts])

    assert PLACEHOLDER.findall(whole(told.templates[0])) == [told.templates[0].variables[0].name]


def test_braces_in_constant_text_become_a_variable_that_is_always_the_same() -> None:
    values = Values(13)
    texts = [f"Write {{{{name}}}} where the name goes.\nText: {values.words(4, 9)}" for _ in range(20)]

    (template,) = of_texts(texts).templates

    assert whole(template).startswith("Write {{literal}} where")
    assert template.variables[0].examples == ("{{name}}",)
    assert filled(template, template.exemplars[0].values, texts[0]) == texts[0]


@pytest.mark.parametrize(
    "line",
    [
        lambda values, number: chr(0x4E00 + values.random.randrange(20_000)),
        lambda values, number: f"L{number}: {values.words(1, 1)}\n",
    ],
    ids=["characters without spaces", "lines of one form"],
)
def test_long_prompts_of_one_kind_take_bounded_time(line: Callable[[Values, int], str]) -> None:
    values = Values(1)
    texts = ["".join(line(values, number) for number in range(4_000)) for _ in range(10)]
    begun = time.process_time()
    of_texts(texts)

    assert time.process_time() - begun < 14  # two where the processor is free; it was above fifteen, by the square of the lines


@pytest.mark.parametrize(("count", "length"), [(10_000, 300), (40, 50_000)])
def test_many_and_long_prompts_take_bounded_time(count: int, length: int) -> None:
    values = Values(14)
    filling = [values.words(length // 8, length // 6)[:length] for _ in range(30)]
    texts = [f"Read it.\n\nText:\n{values.one_of(*filling)}\n\nNumber: {number}\nAnswer:" for number in range(count)]

    started = time.process_time()
    found = of_texts(texts)

    assert time.process_time() - started < 15
    assert found.templates[0].coverage > 0.99


BLOCKS: dict[str, Callable[[Values], str]] = {
    "under headings": lambda values: f"## {values.words(2, 4)}\n{values.words(5, 20)}\n",
    "of several fields": lambda values: f"Content: {values.words(5, 20)}\nSource: {values.random.randint(1, 90)}-pl",
    "named in brackets": lambda values: f"[{values.words(1, 1)}.pdf, p. {values.random.randint(1, 90)}]\n{values.words(5, 20)}",
    "rows of a table": lambda values: f"| {values.words(1, 2)} | {values.random.randint(1, 90)} |",
    "turns of a conversation": lambda values: f"Human: {values.words(3, 9)}\nAI: {values.words(3, 9)}",
}


@pytest.mark.parametrize("form", BLOCKS)
def test_blocks_of_any_form_are_one_value_however_many_there_are(form: str) -> None:
    values = Values(5)
    texts = {}
    for _ in range(30):
        blocks = "\n".join(BLOCKS[form](values) for _ in range(values.random.randint(1, 5)))
        question = values.words(3, 9)
        texts[f"Use what is below.\n\nBelow:\n{blocks}\n\nQuestion: {question}\nAnswer:"] = (blocks.strip(), question)

    (template,) = of_texts(list(texts)).templates

    assert len(template.variables) == 2, template.base_prompt
    for exemplar in template.exemplars:
        assert tuple(value.strip() for value in exemplar.values.values()) == list(texts.values())[exemplar.prompt]


PUNCTUATED: dict[str, Callable[[Values], tuple[str, ...]]] = {
    "Results for \u201c{}\u201d:\n\n{}": lambda values: (values.words(2, 5), values.words(20, 40)),
    "Ask {} ({}) about {}.": lambda values: (values.words(1, 3), values.words(1, 3), values.words(1, 1)),
    "Between {} | {}": lambda values: (values.words(1, 3), values.words(1, 3)),
    "Present: {}.\nAbsent: {}.": lambda values: tuple(", ".join(values.words(1, 1) for _ in range(3)) for _ in range(2)),
    "Essay of {}:\n{}": lambda values: (values.one_of("Ann Lee", "Bob Stone", "Emre Ak", "Ines Ruiz"), values.words(20, 40)),
    "Read:\n{}\nTell {}: {}": lambda values: (
        values.words(20, 40),
        values.words(1, 1),
        f"{values.words(3, 5)}{values.one_of('', ': as')} {values.words(1, 1)}",
    ),
}


@pytest.mark.parametrize("layout", PUNCTUATED)
def test_values_with_only_punctuation_between_them_are_told_apart(layout: str) -> None:
    values = Values(6)
    wanted = [PUNCTUATED[layout](values) for _ in range(30)]

    (template,) = of_texts([f"You are an assistant. {layout.format(*each)}" for each in wanted]).templates

    assert [tuple(each.values.values()) for each in template.exemplars] == [wanted[each.prompt] for each in template.exemplars]
