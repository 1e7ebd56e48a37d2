"""`numeric_tolerance`: the answer's number is close enough to a value, or to the one in the case's expected output."""

from decimal import Context, Decimal, InvalidOperation, Overflow
from typing import Literal

import re2
from pydantic import Field

from spectral_platform.core.values import Value
from spectral_platform.evaluations.evaluators.subjects import Evaluation, Subject, excerpt

EVALUATOR = "numeric_tolerance@1"
_MOST_DIGITS = 400
_LONGEST = 20_000
"""So many characters at the answer's end are looked through."""
_EXACT = Context(prec=2 * _MOST_DIGITS, traps=[InvalidOperation, Overflow])
_NUMBER = re2.compile(r"[-+−]?(?:\pN+(?:[.,'’_\x{00A0}\x{202F}]\pN+)*|\.\pN+)(?:[eE][-+−]?\pN{1,3}\b)?")


class NumericTolerance(Value):
    """Parameters of `numeric_tolerance`; without a tolerance the numbers are equal."""

    kind: Literal["numeric_tolerance"] = "numeric_tolerance"
    value: float | None = Field(
        default=None, allow_inf_nan=False, description="The number; else the one in the sample's expected output."
    )
    absolute: float | None = Field(default=None, ge=0, allow_inf_nan=False, description="So far off is still right.")
    relative: float | None = Field(
        default=None, ge=0, allow_inf_nan=False, description="The same as a share of the value: 0.01 is one per cent."
    )

    def evaluate(self, subject: Subject) -> Evaluation:
        """Compare the last number of the answer, where a conclusion stands; the wider of the two tolerances counts.

        That the last number is the answer is the convention of GSM8K's scorers.
        """
        if self.value is not None:
            expected: Decimal | None = Decimal(repr(self.value))
        elif subject.expected_output is None:
            return Evaluation.not_applicable(EVALUATOR, "The case has no expected output.")
        else:
            expected, _ = find_number(subject.expected_output)
        if expected is None:
            return Evaluation.not_applicable(EVALUATOR, "The case's expected output has no number in it.")
        given, written = find_number(subject.output)
        if given is None:
            return Evaluation.failure(EVALUATOR, "The answer must state a number.")
        absolute = Decimal(repr(self.absolute or 0.0))
        relative = Decimal(repr(self.relative or 0.0))
        allowed = max(absolute, _EXACT.multiply(relative, abs(expected)))
        evidence = (written,)
        if abs(_EXACT.subtract(given, expected)) <= allowed:
            return Evaluation.success(EVALUATOR, evidence=evidence)
        margin = f" (at most {_short(allowed)} off)" if allowed else ""
        feedback = f"The answer must end in the number {_short(expected)}{margin} instead of {excerpt(written, 60)}."
        return Evaluation.failure(EVALUATOR, feedback, evidence=evidence)


def find_number(text: str) -> tuple[Decimal | None, str]:
    """Find the last number of a text, and how it is written there.

    Digits of any script count, and marks between thousands. Of comma and point the later one is the decimal mark; a single
    comma before three digits separates thousands, unless only a zero stands before it, and a single point is always a decimal
    mark. A unit or a percent sign does not change the number.
    """
    end = text[-_LONGEST:]
    for match in reversed(list(_NUMBER.finditer(end))):
        written = match.group()
        before = end[match.start() - 1 : match.start()]
        if written[0] == "-" and (before.isalnum() or before == ")"):
            written = written[1:]  # a range or a compound, such as 3-5 or COVID-19
        number = _read(written)
        if number is not None:
            return number, written
    return None, ""


def _read(written: str) -> Decimal | None:
    plain = written.replace("−", "-")
    for mark in "'’_\u00a0\u202f":
        plain = plain.replace(mark, "")
    comma, point = plain.rfind(","), plain.rfind(".")
    if comma > point >= 0 and plain.count(",") == 1:
        plain = plain.replace(".", "").replace(",", ".")
    elif point < 0 <= comma and (plain.count(",") > 1 or _is_in_thousands(*plain.split(","))):
        plain = plain.replace(",", "")
    elif point < 0 <= comma:
        plain = plain.replace(",", ".")
    elif plain.count(".") > 1 and comma < 0:
        plain = plain.replace(".", "")
    else:
        plain = plain.replace(",", "")
    if sum(character.isdigit() for character in plain) > _MOST_DIGITS:
        return None
    try:
        return Decimal(plain)  # of any script
    except InvalidOperation:  # superscripts and fractions are numbers in Unicode, but no digits
        return None


def _is_in_thousands(before: str, after: str) -> bool:
    """Whether a single comma stands between thousands."""
    return len(after.split("e")[0].split("E")[0]) == 3 and before.lstrip("-+") != "0"


def _short(number: Decimal) -> str:
    plain = format(number, "f") if -6 <= number.adjusted() <= 15 else format(number, "g")
    plain = plain.rstrip("0").rstrip(".") if "." in plain and "e" not in plain.lower() else plain
    return plain if len(plain) <= 40 else f"{number:.6e}"
