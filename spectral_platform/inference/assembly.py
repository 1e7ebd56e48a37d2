"""Makes a pattern of an alignment: tokens become texts again, and the space around values goes to the constants."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import count

from spectral_platform.inference import alignment
from spectral_platform.inference.alignment import Part, Run
from spectral_platform.inference.patterns import Gap, Pattern, Role, Section, Slot
from spectral_platform.inference.tokens import LINE, Spans, Tokens

MOST_CONSTANT = 0.98
ENOUGH_TO_OVERRULE = 50
FEWEST_PATHS = 3

Bounds = dict[int, tuple[int, int]]
"""For each text, the characters that are meant."""


class Assembler:
    """Numbers the slots of one pattern and knows the texts that it is made from."""

    def __init__(self, texts: Sequence[Tokens]) -> None:
        self._texts = texts
        self._numbers = count()

    def pattern(self, parts: Sequence[Part], bounds: Bounds) -> Pattern:
        """The pattern of these parts, which fill these bounds."""
        runs = [part for part in parts if isinstance(part, Run)]
        constants = [self._text(run) for run in runs]
        inside = [self._inside(run.spans) for run in runs]
        limits = [_starts(bounds), *map(_ends, inside)]
        starts = [*map(_starts, inside), _ends(bounds)]
        between = self._between(parts)
        texts = [""]
        gaps: list[Gap] = []
        cores: list[Bounds] = []
        for position, (left, right) in enumerate(zip(limits, starts, strict=True)):
            region = {text: (left[text], max(left[text], right[text])) for text in bounds}
            before, after, core = self._trimmed(region)
            gap = None
            if any(start < end for start, end in core.values()):
                gap = self._constant(core) or self._gap(between[position], core, is_below_line=LINE in before)
            if isinstance(gap, Gap):
                texts[-1] += before
                gaps.append(gap)
                cores.append(core)
                texts.append(after)
            else:
                texts[-1] += before + (gap or "") + after
            if position < len(constants):
                texts[-1] += constants[position]
        return self._with_pivot(Pattern(tuple(texts), tuple(gaps)), cores, bounds)

    def _with_pivot(self, pattern: Pattern, cores: Sequence[Bounds], bounds: Bounds) -> Pattern:
        """The pattern with the pivot by which most texts come apart as they were aligned; the longest value if that is one."""
        best, most = pattern, -1
        sizes = [sum(end - start for start, end in core.values()) for core in cores]
        for number in sorted(range(len(cores)), key=lambda each: -sizes[each]):
            candidate = replace(pattern, pivot=number)
            same = sum(
                candidate.spans(self._texts[text].text, start, end) == [core[text] for core in cores]
                for text, (start, end) in bounds.items()
            )
            if same > most:
                best, most = candidate, same
            if same == len(bounds):
                break
        return best

    def _between(self, parts: Sequence[Part]) -> list[alignment.Gap | None]:
        """The gap before each run, and the one behind the last."""
        found: list[alignment.Gap | None] = [None]
        for part in parts:
            if isinstance(part, Run):
                found.append(None)
            else:
                found[-1] = part
        return found

    def _gap(self, gap: alignment.Gap | None, core: Bounds, *, is_below_line: bool) -> Gap:
        if gap is None or not gap.sections or not all(_begins_alike(parts) for parts in gap.sections):
            return Gap(self._slot(gap))
        first = {text: end for text, (_, end) in core.items()}
        bounds: list[Bounds] = []
        for parts in reversed(gap.sections):
            spans = _whole(parts)
            own: Bounds = {}
            for text, (start, _) in spans.items():
                tokens = self._texts[text]
                # Space between sections is one's end where the first begins a line of its own, else the next one's beginning.
                border = tokens.starts[start] if is_below_line else tokens.ends[start - 1] if start else 0
                begin = max(core[text][0], border)
                own[text] = (begin, first[text])
                first[text] = begin
            bounds.insert(0, own)
        has_slot = any(first[text] > start for text, (start, _) in core.items())
        slot = Slot(next(self._numbers)) if has_slot else None
        sections = []
        for parts, own in zip(gap.sections, bounds, strict=True):
            number = next(self._numbers)
            body = self.pattern(parts, own)
            sections.append(Section(number, body.texts[0] or self._beginning(parts[0], own), body))
        return Gap(slot, tuple(sections))

    def _beginning(self, part: Part, bounds: Bounds) -> str:
        """What the blocks of a section begin with, with the space before it."""
        assert isinstance(part, alignment.Gap)
        ends = {text: self._texts[text].ends[start + len(part.repeats) - 1] for text, (start, _) in part.spans.items()}
        return Counter(self._texts[text].text[bounds[text][0] : end] for text, end in ends.items()).most_common(1)[0][0]

    def _slot(self, gap: alignment.Gap | None) -> Slot:
        repeats = gap.repeats if gap is not None else ()
        if not repeats:
            return Slot(next(self._numbers))
        return Slot(next(self._numbers), Role.BLOCKS, "".join(key.lstrip() for key in repeats))

    def _inside(self, spans: Spans) -> Bounds:
        """The characters of a run; of an empty one, which stands for the end of a line, the space there."""
        inside: Bounds = {}
        for text, (start, end) in spans.items():
            tokens = self._texts[text]
            inside[text] = (
                (tokens.starts[start], tokens.ends[end - 1]) if start < end else (tokens.ends[start - 1], tokens.starts[start])
            )
        return inside

    def _text(self, run: Run) -> str:
        """What most texts have here; they may differ in space."""
        said = Counter(self._texts[text].text[start:end] for text, (start, end) in self._inside(run.spans).items())
        return said.most_common(1)[0][0]

    def _constant(self, core: Bounds) -> str | None:
        """What nearly all of many texts have in a gap, each of the others something else: a constant that few deviate from."""
        said = Counter(self._texts[text].text[start:end] for text, (start, end) in core.items())
        value, times = said.most_common(1)[0]
        if len(core) >= ENOUGH_TO_OVERRULE and times >= MOST_CONSTANT * len(core) and len(said) - 1 == len(core) - times:
            return value
        return None

    def _trimmed(self, region: Bounds) -> tuple[str, str, Bounds]:
        """The space that all regions begin with and that all end with, and what lies between."""
        texts = {text: self._texts[text].text[start:end] for text, (start, end) in region.items()}
        before = _common_beginning([each[: len(each) - len(each.lstrip())] for each in texts.values()])
        rest = {text: each[len(before) :] for text, each in texts.items()}
        after = _common_beginning([each[len(each.rstrip()) :][::-1] for each in rest.values()])[::-1]
        core = {text: (start + len(before), end - len(after)) for text, (start, end) in region.items()}
        if all(not each.strip() for each in rest.values()):  # nothing but space: what most have is the constant
            space = Counter(texts.values()).most_common(1)[0][0]
            return space, "", {text: (end, end) for text, (_, end) in region.items()}
        folder = _common_folder([self._texts[text].text[start:end] for text, (start, end) in core.items()])
        return before + folder, after, {text: (start + len(folder), end) for text, (start, end) in core.items()}


def _begins_alike(parts: Sequence[Part]) -> bool:
    """Whether a section begins with a constant, or with blocks that do."""
    return isinstance(parts[0], Run) or bool(parts[0].repeats)


def _starts(bounds: Bounds) -> dict[int, int]:
    return {text: start for text, (start, _) in bounds.items()}


def _ends(bounds: Bounds) -> dict[int, int]:
    return {text: end for text, (_, end) in bounds.items()}


def _common_beginning(texts: Sequence[str]) -> str:
    """What all texts begin with."""
    low, high = min(texts), max(texts)
    same = next((at for at, (one, other) in enumerate(zip(low, high, strict=False)) if one != other), min(len(low), len(high)))
    return low[:same]


def _common_folder(values: Sequence[str]) -> str:
    """What all values begin with up to a slash, as paths do: such a path is one token, and only its end may differ."""
    same = _common_beginning(values)
    return "" if "://" in same or " " in same or len(set(values)) < FEWEST_PATHS else same[: same.rfind("/") + 1]


def _whole(parts: Sequence[Part]) -> Spans:
    """From the first token of these parts to the last, in each text."""
    first, last = parts[0].spans, parts[-1].spans
    return {text: (start, last[text][1]) for text, (start, _) in first.items()}


def assemble(texts: Sequence[Tokens], parts: Sequence[Part], members: Sequence[int]) -> Pattern:
    """The pattern of a whole alignment of these texts."""
    return Assembler(texts).pattern(parts, {text: (0, len(texts[text].text)) for text in members})
