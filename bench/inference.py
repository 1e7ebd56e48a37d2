"""How well templates are inferred from prompts, and how long it takes. Run it with: uv run python -m bench.inference

Prompts are rendered from known templates (``bench.prompts``) with real prose as values, 4 % of them being of no template at all.
A slot is found where a value's place is told exactly, space at its ends aside; F1 is over all values of all prompts. Constant
recall is the share of the templates' own characters that are told to be constant. What is measured was not tuned on: other
templates, other prose and other seeds than ``--tuned`` shows.
"""

import argparse
import resource
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.machine import Report
from bench.prompts import held, tuned, tuned_fifth, tuned_fourth, tuned_second, tuned_sixth, tuned_third
from bench.prompts.rendering import Rendered, Template
from bench.prompts.words import Words
from spectral_platform.inference.inferring import Prompt, find_patterns, infer

COUNTS = (10, 50, 200)
SEEDS = range(5)
NOISE = 0.04
GOAL_F1 = 0.95
TUNED = (tuned, tuned_second, tuned_third, tuned_fourth, tuned_fifth, tuned_sixth)


@dataclass
class Score:
    """Values found, values told, values there; constant characters found and there."""

    right: int = 0
    told: int = 0
    there: int = 0
    constant: int = 0
    all_constant: int = 0
    agents: int = 0
    templates: int = 0
    wanted: int = 0

    def __add__(self, other: "Score") -> "Score":
        return Score(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall of values."""
        return 2 * self.right / max(1, self.told + self.there)

    @property
    def recall(self) -> float:
        """The share of constant characters."""
        return self.constant / max(1, self.all_constant)


def prompts_of(templates: Sequence[Template], count: int, words: Words) -> list[Rendered]:
    """Prompts of an agent; those of no template are plain prose, all of it one value."""
    rendered = []
    for _ in range(count):
        if words.chance(NOISE):
            rendered.append(Rendered().put("nothing", words.paragraphs(1, 3)))
        else:
            rendered.append(words.random.choice(templates)(words))
    return rendered


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """A place without the space at its ends."""
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end


def score(rendered: Sequence[Rendered], templates: int) -> Score:
    """Compare what is inferred from prompts with what is known of them."""
    found = find_patterns([each.text for each in rendered])
    total = Score(agents=1, templates=len(found), wanted=templates)
    for number, each in enumerate(rendered):
        is_noise = [name for name, *_ in each.slots] == ["nothing"]
        true = set() if is_noise else {trimmed(each.text, start, end) for _, start, end in each.slots if start < end}
        told: set[tuple[int, int]] = set()
        match = next((pattern for pattern in found if number in pattern.matches), None)
        if match is not None:
            slots = {slot.number for slot in match.pattern.slots()}
            spans = (trimmed(each.text, place.start, place.end) for place in match.matches[number] if place.slot in slots)
            told = {(start, end) for start, end in spans if start < end}
        total.right += len(true & told)
        total.told += len(told)
        total.there += len(true)
        if not is_noise:
            variable = {place for start, end in true for place in range(start, end)}
            constant = [place for place, sign in enumerate(each.text) if place not in variable and not sign.isspace()]
            total.all_constant += len(constant)
            if match is not None:
                taken = {place for start, end in told for place in range(start, end)}
                total.constant += sum(place not in taken for place in constant)
    return total


def quality(
    shapes: Mapping[str, Sequence[Sequence[Template]]], source: str, first_seed: int, *, is_verbose: bool
) -> dict[int, Score]:
    """Print the scores of each shape, and give those of all."""
    report = Report("shape", *(f"{count}: {what}" for count in COUNTS for what in ("F1", "constant")), "templates found / made")
    totals = {count: Score() for count in COUNTS}
    for shape, agents in shapes.items():
        cells, kinds = [], Score()
        for count in COUNTS:
            shape_score = Score()
            for position, templates in enumerate(agents):
                agent_score = Score()
                for seed in SEEDS:
                    words = Words(first_seed + 1_000 * seed + 10 * count + position, source)
                    agent_score += score(prompts_of(templates, count, words), len(templates))
                if is_verbose:
                    print(count, [each.__name__ for each in templates], f"{agent_score.f1:.3f} {agent_score.recall:.3f}")
                shape_score += agent_score
            totals[count] += shape_score
            kinds += shape_score
            cells += [f"{shape_score.f1:.3f}", f"{shape_score.recall:.3f}"]
        report.add(shape, *cells, f"{kinds.templates} / {kinds.wanted}")
    overall = [f"{value:.3f}" for count in COUNTS for value in (totals[count].f1, totals[count].recall)]
    report.add("all", *overall, "")
    report.print()
    return totals


def speed() -> None:
    """Print how long inference takes by number and length of prompts, and how much memory it needs in all."""
    report = Report("prompts", "length", "median s", "worst s", "megabytes of process")
    for count, length in (
        (50, 4_000),
        (200, 4_000),
        (1_000, 4_000),
        (10_000, 4_000),
        (1_000, 400),
        (1_000, 20_000),
        (200, 100_000),
    ):
        times = []
        for seed in range(3):
            words = Words(seed, "reference")
            prompts = []
            for _ in range(count):
                rendered = tuned_second.with_options(words).say("\n\nBackground:\n")
                filling = words.paragraphs(length // 300, length // 300 + 1)
                prompts.append(
                    Prompt(rendered.put("background", filling[: max(0, length - len(rendered.text))]).say("\nEnd.").text)
                )
            started = time.process_time()
            infer(prompts)
            times.append(time.process_time() - started)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_000
        report.add(f"{count:,}", f"{length:,}", f"{statistics.median(times):.2f}", f"{max(times):.2f}", f"{memory:.0f}")
    report.print()


def main() -> None:
    """Measure and print; end with 1 where the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tuned", action="store_true", help="measure the templates that the inference was developed with")
    parser.add_argument("--verbose", action="store_true", help="print each agent too")
    parser.add_argument("--quality-alone", action="store_true", help="do not measure time")
    chosen = parser.parse_args()
    if chosen.tuned:
        shapes = {shape: tuple(agent for each in TUNED for agent in each.SHAPES[shape]) for shape in tuned.SHAPES}
        totals = quality(shapes, "pages", 1, is_verbose=chosen.verbose)
    else:
        totals = quality(held.SHAPES, "reference", 500_000, is_verbose=chosen.verbose)
    if not chosen.quality_alone:
        speed()
    sys.exit(totals[50].f1 < GOAL_F1)


if __name__ == "__main__":
    main()
