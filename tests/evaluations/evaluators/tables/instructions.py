"""Verifiable instructions, each id with answers that follow it and answers that do not."""

from collections.abc import Sequence
from typing import Any

from tests.evaluations.evaluators.tables import Row

Arguments = dict[str, Any]


def each(instruction: str, arguments: Arguments, *, followed: Sequence[str], broken: Sequence[str]) -> list[Row]:
    parameters = {"instructions": [{"id": instruction, **arguments}]}
    return [*(Row(output, "pass", parameters) for output in followed), *(Row(output, "fail", parameters) for output in broken)]


def words(number: int, relation: str) -> Arguments:
    return {"num_words": number, "relation": relation}


def sentences(number: int) -> Arguments:
    return {"num_sentences": number, "relation": "exactly"}


ENGLISH = "This is a perfectly ordinary sentence in the English language."
GERMAN = "Das ist ein ganz gewöhnlicher Satz in deutscher Sprache."

LENGTHS = [
    *each("length_constraints:number_words", words(3, "at least"), followed=["one two three", "a-b c"], broken=["one two", ""]),
    *each("length_constraints:number_words", words(3, "less than"), followed=["one two"], broken=["one two three", " "]),
    *each("length_constraints:number_words", words(4, "exactly"), followed=["你好世界", "a 世界 b"], broken=["你好"]),
    *each("length_constraints:number_words", words(99_999, "more than"), followed=["w " * 100_000], broken=["w"]),
    *each(
        "length_constraints:number_characters",
        {"num_characters": 3, "relation": "at most"},
        followed=[" abc ", "👍👍👍"],
        broken=["abcd"],
    ),
    *each(
        "length_constraints:number_sentences",
        sentences(2),
        followed=["One. Two.", "One! Two", "一。二。"],
        broken=["One.", "1. 2."],
    ),
    *each(
        "length_constraints:number_sentences",
        sentences(1),
        followed=["Dr. No paid 3.50 e.g. today.", "Mr. J. Bond"],
        broken=["A? B!"],
    ),
    *each("length_constraints:number_sentences", sentences(2), followed=["1. Buy tea.\n2. Make tea."], broken=["Wait... what."]),
    *each("length_constraints:number_sentences", sentences(2), followed=['"Yes!" She left.', "क्या? हाँ।"], broken=["..."]),
    *each(
        "length_constraints:number_paragraphs",
        {"num_paragraphs": 2},
        followed=["a\n***\nb", "***\na\n***\nb\n***"],
        broken=["a", "a\n\nb", "a\n***\n***\nb", "***"],
    ),
    *each(
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Then"},
        followed=["One.\n\nthen two.", 'One.\n\n"Then, two."', "One.\n\n\n\n**Then** two"],
        broken=["One.\n\nThereafter two.", "Then", "a\n\nthen\n\nc"],
    ),
]

KEYWORDS = [
    *each("keywords:existence", {"keywords": ["Tea", "cup"]}, followed=["A TEAcup."], broken=["tea", ""]),
    *each("keywords:existence", {"keywords": ["(a+)+$"]}, followed=["(A+)+$"], broken=["a" * 50_000]),
    *each(
        "keywords:frequency",
        {"keyword": "tea", "frequency": 2, "relation": "at least"},
        followed=["Tea, teapot"],
        broken=["tea"],
    ),
    *each(
        "keywords:frequency",
        {"keyword": "tea", "frequency": 2, "relation": "less than"},
        followed=["tea", "x"],
        broken=["tea tea"],
    ),
    *each("keywords:forbidden_words", {"forbidden_words": ["tea"]}, followed=["steam", "tee"], broken=["Tea!", "a TEA"]),
    *each("keywords:forbidden_words", {"forbidden_words": ["öl"]}, followed=["Köln"], broken=["Das Öl"]),
    *each(
        "keywords:letter_frequency",
        {"letter": "E", "let_frequency": 3, "let_relation": "at least"},
        followed=["eeE"],
        broken=["ee"],
    ),
    *each(
        "keywords:letter_frequency",
        {"letter": "#", "let_frequency": 2, "let_relation": "less than"},
        followed=["#"],
        broken=["##"],
    ),
    *each(
        "keywords:key_sentences",
        {"key_sentences": ["It rains.", "It snows."], "num_sentences": 1},
        followed=["Look: It rains."],
        broken=["It rains. It snows.", "it rains"],
    ),
]

FORMATS = [
    *each("detectable_content:number_placeholders", {"num_placeholders": 2}, followed=["[a] [b]"], broken=["[a]", "[\n]["]),
    *each("detectable_content:number_placeholders", {"num_placeholders": 1}, followed=["[]"], broken=["[" * 100_000]),
    *each("detectable_content:postscript", {"postscript_marker": "P.S."}, followed=["Hi\nP.S. x", "p. s. x"], broken=["PS x"]),
    *each("detectable_content:postscript", {"postscript_marker": "P.P.S"}, followed=["P.P.S. x", "p. p. s x"], broken=["P.S. x"]),
    *each("detectable_content:postscript", {"postscript_marker": "NB:"}, followed=["nb: x"], broken=["x"]),
    *each(
        "detectable_format:number_bullet_lists",
        {"num_bullets": 2},
        followed=["* a\n* b", "- a\n\n  - b\n---", "• a\n+ b"],
        broken=["* a", "**a**\n**b**", "* a\n* b\n* c", ""],
    ),
    *each("detectable_format:constrained_response", {}, followed=["My answer is yes."], broken=["Yes.", "my answer is yes."]),
    *each("detectable_format:constrained_response", {"options": ["A", "B"]}, followed=["B"], broken=["C"]),
    *each(
        "detectable_format:number_highlighted_sections",
        {"num_highlights": 2},
        followed=["*a* and **b**", "*a* *b*"],
        broken=["*a*", "** ** * *", "* a\n* b\n"],
    ),
    *each(
        "detectable_format:multiple_sections",
        {"section_spliter": "SECTION", "num_sections": 2},
        followed=["SECTION 1\na\nSECTION 2\nb", "SECTION1 SECTION2 SECTION3"],
        broken=["Section 1 Section 2", "SECTION 1"],
    ),
    *each(
        "detectable_format:json_format", {}, followed=["{}", "```json\n[1]\n```", "```\n1```"], broken=["", "{a}", "x {}", "NaN"]
    ),
    *each("detectable_format:title", {}, followed=["<<Tea>>\nIt is hot."], broken=["<<>>", "<< >>", "<Tea>", "<<Tea\n>>"]),
]

WORDING = [
    *each(
        "language:response_language", {"language": "en"}, followed=[ENGLISH, "42", "OK"], broken=[GERMAN, "これは日本語です。"]
    ),
    *each("language:response_language", {"language": "de"}, followed=[GERMAN], broken=[ENGLISH]),
    *each("language:response_language", {"language": "zh"}, followed=["今天的天气非常好，我们去公园。"], broken=[ENGLISH]),
    *each("language:response_language", {"language": "hi"}, followed=["यह हिन्दी भाषा में एक वाक्य है।"], broken=[ENGLISH * 500]),
    *each("change_case:english_capital", {}, followed=[ENGLISH.upper()], broken=[ENGLISH, GERMAN.upper()]),
    *each("change_case:english_lowercase", {}, followed=[ENGLISH.lower()], broken=[ENGLISH, GERMAN.lower()]),
    *each(
        "change_case:capital_word_frequency",
        {"capital_frequency": 2, "capital_relation": "at least"},
        followed=["NASA and I", "WELL-KNOWN ÖL"],
        broken=["NASA", "Nasa And It", "12 34"],
    ),
    *each("punctuation:no_comma", {}, followed=["a; b"], broken=["a, b", "甲，乙", "أ، ب", ""]),
    *each("startend:start_checker", {"start_phrase": "Dear"}, followed=[" dear you", "“Dear you”"], broken=["My dear"]),
    *each(
        "startend:end_checker",
        {"end_phrase": "The end."},
        followed=["It was. THE END.\n", '"The end."'],
        broken=["The end. Or not?"],
    ),
    *each("startend:quotation", {}, followed=['"Hi."', "„Hallo.“", "«Oui»"], broken=['"Hi', '"', "'Hi'"]),
    *each(
        "combination:two_responses",
        {},
        followed=["a\n******\nb", "******a******b******"],
        broken=["a", "a******a", "a******b******c", "a************b"],
    ),
    *each("combination:repeat_prompt", {"prompt_to_repeat": "Sing!"}, followed=["sing! La la."], broken=["La. Sing!", ""]),
]

NO_COMMA, TWO_WORDS = {"id": "punctuation:no_comma"}, {"id": "length_constraints:number_words", **words(2, "exactly")}
PUBLISHED = [
    Row("a, b", 0.5, {"instructions": [NO_COMMA, TWO_WORDS]}, evidence=("a, b",)),
    Row("a b", "pass", {"instructions": [NO_COMMA, TWO_WORDS]}),
    Row("a, b c", "fail", {"instructions": [NO_COMMA, TWO_WORDS]}),
    Row("a b", "pass", {"instructions": [{"id": NO_COMMA["id"], "kwargs": {"num_words": None, "relation": None}}]}),
    Row("* a\n* b", "pass", {"instructions": [{"id": "detectable_format:number_bullet_lists", "kwargs": {"num_bullets": 2.0}}]}),
    Row("Sure!\n{}", "fail", {"instructions": [{"id": "detectable_format:json_format"}]}),
    Row("Sure!\n{}", "pass", {"instructions": [{"id": "detectable_format:json_format"}], "strictness": "loose"}),
    Row("*Dear*", "pass", {"instructions": [{"id": "startend:end_checker", "end_phrase": "dear"}], "strictness": "loose"}),
    Row(" \n ", "fail", {"instructions": [NO_COMMA], "strictness": "loose"}),
]

TABLES = {"instruction": [*LENGTHS, *KEYWORDS, *FORMATS, *WORDING, *PUBLISHED]}
