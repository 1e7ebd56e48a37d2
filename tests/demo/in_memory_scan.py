"""A whole scan of the demo without database or queue: the same pure parts, one after the other."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import mean

from spectral_platform.agents.configuration import AgentConfig
from spectral_platform.agents.rendering import render_request
from spectral_platform.core.randomness import derive, generator
from spectral_platform.demo import content
from spectral_platform.evaluations.dimensions import Dimension
from spectral_platform.evaluations.evaluators.llm_judge import LlmJudge
from spectral_platform.evaluations.evaluators.subjects import Evaluation, Subject
from spectral_platform.evaluations.judging import JudgePrompt, build_judge_request, criteria_of, decide, read_judgements
from spectral_platform.evaluations.scoring import (
    CaseScore,
    DimensionEvaluation,
    Measures,
    References,
    reference_measures,
    score_case,
)
from spectral_platform.llm.messages import ModelAnswer, ModelRequest
from spectral_platform.llm.prices import price_call
from spectral_platform.llm.providers.simulator import SimulatorProvider
from spectral_platform.optimizers.edits import Candidate, Strategy, candidate_from, config_key, edit_problems
from spectral_platform.optimizers.pareto import sample_parent
from spectral_platform.optimizers.reflection import (
    ClusterCard,
    CriterionFeedback,
    ReflectionCase,
    TriedEdit,
    parse_proposal,
    reflection_request,
)
from spectral_platform.samples.content import SampleContent
from spectral_platform.samples.near_duplicates import group_near_duplicates
from spectral_platform.statistics.bounds import clopper_pearson_upper, gaffke_lower_bound, gaffke_upper_bound
from spectral_platform.worlds.authority import evaluate_rules
from spectral_platform.worlds.rules import DEFAULT_WORLD, load_world
from spectral_platform.worlds.splits import Split, choose_split
from spectral_platform.worlds.stimuli import Stimulus, issue_stimuli

WORLD = load_world(DEFAULT_WORLD)
DIMENSIONS = content.rubric_dimensions()
TERMS = content.objective_terms()
REQUIREMENTS = {rule.key: rule.text for rule in WORLD.rules} | {part.key: part.description for part in DIMENSIONS}
PROVIDER = SimulatorProvider()
LOOP = asyncio.Runner()
ATTEMPTS = 8
STIMULI = {Split.DEV: 45, Split.HOLDOUT: 60}
BATCH_FAILURES, BATCH_GUARDS = 4, 2


@dataclass(frozen=True)
class Outcome:
    """One answer with everything that was found in it."""

    subject: Subject
    measures: Measures
    score: CaseScore
    criteria: tuple[CriterionFeedback, ...]


@dataclass
class Result:
    """What the scan found."""

    fates: dict[str, str] = field(default_factory=dict)
    rationales: dict[str, str] = field(default_factory=dict)
    gates: dict[str, bool] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    finalist: Candidate | None = None


def split_samples() -> dict[Split, list[SampleContent]]:
    samples = {sample.content_hash: sample for sample in content.load_samples()}
    groups = group_near_duplicates({key: sample.input_text for key, sample in samples.items()}, {})
    cases: dict[Split, list[SampleContent]] = {split: [] for split in Split}
    for key, sample in samples.items():
        cases[choose_split(content.SPLIT_KEY, groups[key])].append(sample)
    return cases


def ask(request: ModelRequest) -> ModelAnswer:
    return LOOP.run(PROVIDER.complete(request))


def run(
    config: AgentConfig,
    case: SampleContent | Stimulus,
    *,
    seed: int,
    references: References,
    judge: JudgePrompt = JudgePrompt.SELECTION,
) -> Outcome:
    """One answer, scored by the rules and, for a customer's question, by the rubric."""
    text = case.input if isinstance(case.input, str) else str(case.input)
    request = render_request(config, input=text, context=case.context, seed=seed)
    answer = ask(request)
    cost = price_call(request.model, input_tokens=answer.input_tokens, output_tokens=answer.output_tokens) or Decimal(0)
    subject = Subject(
        input=text,
        output=answer.text,
        expected_output=case.expected_output,
        context=case.context,
        system_prompt=request.messages[0].content,
        latency_ms=answer.latency_ms,
        cost_usd=float(cost),
    )
    stimulus = case if isinstance(case, Stimulus) else None
    rules = evaluate_rules(WORLD, subject, stimulus=stimulus)
    found = () if stimulus else tuple(rate(part, subject, seed=seed, judge=judge) for part in DIMENSIONS)
    measures = Measures(cost_usd=float(cost), latency_ms=answer.latency_ms)
    score = score_case(rules=rules, dimensions=found, measures=measures, terms=TERMS, references=references)
    evaluations: list[tuple[str, Evaluation]] = [(rule.key, rule.evaluation) for rule in rules]
    evaluations += [(part.key, part.evaluation) for part in found]
    criteria = tuple(
        CriterionFeedback(criterion=key, passed=item.passed, requirement=REQUIREMENTS[key], feedback=item.feedback)
        for key, item in evaluations
        if item.passed is not None
    )
    return Outcome(subject, measures, score, criteria)


def rate(dimension: Dimension, subject: Subject, *, seed: int, judge: JudgePrompt) -> DimensionEvaluation:
    if isinstance(dimension.evaluator, LlmJudge):
        criteria = criteria_of(dimension)
        answer = ask(build_judge_request("sim/judge", criteria, subject, prompt=judge, seed=seed))
        evaluation = decide(criteria, [read_judgements(answer.text, criteria, subject)])
    else:
        evaluation = dimension.evaluator.evaluate(subject)
    return DimensionEvaluation(key=dimension.key, weight=dimension.weight, evaluation=evaluation)


class Scan:
    """Observe, generate, evaluate on dev, freeze one finalist, gate it on the holdout."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.cases = split_samples()
        self.baseline = content.agent_config()
        self.result = Result()
        self.known: dict[tuple[str, str], Outcome] = {}
        seeds = generator(seed, "order")
        for cases in self.cases.values():
            seeds.shuffle(cases)
        first = [
            run(self.baseline, case, seed=derive(seed, "dev run"), references=References()) for case in self.cases[Split.DEV]
        ]
        self.references = reference_measures([outcome.measures for outcome in first])
        self.dev: list[SampleContent | Stimulus] = [*self.cases[Split.DEV], *self._stimuli(Split.DEV)]

    def _stimuli(self, split: Split) -> tuple[Stimulus, ...]:
        return issue_stimuli(WORLD, seed=self.seed, purpose=split, count=STIMULI[split])

    def _run(self, config: AgentConfig, case: SampleContent | Stimulus) -> Outcome:
        name = (config_key(config), case.key if isinstance(case, Stimulus) else case.content_hash)
        if name not in self.known:
            self.known[name] = run(config, case, seed=derive(self.seed, "dev run"), references=self.references)
        return self.known[name]

    def search(self) -> Candidate | None:
        """Eight proposals; each is screened on a minibatch and raced on dev. The best challenger, if there is one."""
        base_key = config_key(self.baseline)
        pool = {base_key: self.baseline}
        vectors = {base_key: [self._run(self.baseline, case) for case in self.dev]}
        tried: dict[str, TriedEdit] = {}
        found: dict[str, Candidate] = {}
        for attempt in range(ATTEMPTS):
            columns = {key: self._composites(rows) for key, rows in vectors.items()}
            named = {key: {str(index): value for index, value in enumerate(row)} for key, row in columns.items()}
            parent = pool[sample_parent(named, seed=self.seed, round_index=attempt)]
            candidate, batch = self._propose(parent, attempt, list(tried.values()), set(pool) | set(tried))
            if candidate is None:
                continue
            fate = self._fate(candidate, parent, batch, vectors)
            tried[candidate.key] = TriedEdit(rationale=candidate.rationale, outcome=fate)
            self.result.fates[candidate.key], self.result.rationales[candidate.key] = fate, candidate.rationale
            if fate == "kept":
                pool[candidate.key], found[candidate.key] = candidate.config, candidate
        if not found:
            return None
        return max(found.values(), key=lambda candidate: mean(self._composites(vectors[candidate.key])))

    def _composites(self, rows: Sequence[Outcome]) -> list[float]:
        return [row.score.composite or 0.0 for row in rows[: len(self.cases[Split.DEV])]]

    def _propose(
        self, parent: AgentConfig, attempt: int, tried: list[TriedEdit], keys: set[str]
    ) -> tuple[Candidate | None, list[tuple[SampleContent, Outcome]]]:
        seen = [(case, self._run(parent, case)) for case in self.cases[Split.TRAIN]]
        failures = Counter(item.criterion for _, row in seen for item in row.criteria if not item.passed)
        ranked = [key for key, _ in failures.most_common()]
        topic = ranked[attempt % min(3, len(ranked))]
        failing = [pair for pair in seen if any(item.criterion == topic and not item.passed for item in pair[1].criteria)]
        passing = sorted((pair for pair in seen if pair not in failing), key=lambda pair: -(pair[1].score.composite or 0))
        batch = [
            *generator(self.seed, "batch", attempt).sample(failing, min(BATCH_FAILURES, len(failing))),
            *passing[:BATCH_GUARDS],
        ]
        card = ClusterCard(
            signature=topic, label=topic, size=len(failing), share=len(failing) / len(seen), severity="major", criteria=(topic,)
        )
        shown = [
            ReflectionCase(
                input=row.subject.input,
                output=row.subject.output,
                score=row.score.composite or 0.0,
                is_passing=index >= BATCH_FAILURES,
                criteria=row.criteria,
            )
            for index, (_, row) in enumerate(batch)
        ]
        request = reflection_request(
            parent, cluster=card, cases=shown, tried=tried, attempt=attempt, model="sim/proposer", seed=self.seed
        )
        edit = parse_proposal(ask(request).text, parent)
        answers = [row.subject.output for _, row in seen] + [case.expected_output or "" for case, _ in seen]
        if edit_problems(parent, edit, train_answers=answers, tried=keys):
            return None, batch
        return candidate_from(parent, edit, strategy=Strategy.REFLECTIVE, cluster_signature=topic), batch

    def _fate(
        self,
        candidate: Candidate,
        parent: AgentConfig,
        batch: list[tuple[SampleContent, Outcome]],
        vectors: dict[str, list[Outcome]],
    ) -> str:
        before = sum(row.score.quality or 0.0 for _, row in batch)
        if sum(self._run(candidate.config, case).score.quality or 0.0 for case, _ in batch) <= before:
            return "no_gain"
        base = vectors[config_key(self.baseline)]
        rows = [self._run(candidate.config, case) for case in self.dev]
        change_a = paired(base, rows, "authority_a")
        if criticals(rows) > criticals(base) or gaffke_upper_bound(change_a, 0.2) < 0:
            return "harms_authority_a"
        best = max(vectors.values(), key=lambda other: mean(self._composites(other)))
        gains = [new - old for new, old in zip(self._composites(rows), self._composites(best), strict=True)]
        if gaffke_upper_bound(gains, 0.2) < 0:
            return "no_gain"
        vectors[candidate.key] = rows
        return "kept"

    def verify(self, finalist: Candidate) -> None:
        """The holdout, both arms run afresh, and the gates."""
        self.result.finalist = finalist
        cases: list[SampleContent | Stimulus] = [*self.cases[Split.HOLDOUT], *self._stimuli(Split.HOLDOUT)]
        seed = derive(self.seed, "holdout run")
        base, rows = (
            [run(config, case, seed=seed, references=self.references, judge=JudgePrompt.VERDICT) for case in cases]
            for config in (self.baseline, finalist.config)
        )
        samples = len(self.cases[Split.HOLDOUT])
        gains = paired(base[:samples], rows[:samples], "composite")
        changes = {"a": paired(base, rows, "authority_a"), "b": paired(base[:samples], rows[:samples], "authority_b")}
        bound = gaffke_lower_bound(gains, 0.025)
        figures = {"pairs": float(samples), "gain": mean(gains), "bound": bound}
        gates = {"G0": samples >= 60, "G1": bound > 0 and mean(gains) >= 0.02}
        for name, change in changes.items():
            tolerance = 0.05 if len(change) >= 160 else 0.10
            figures[f"bound_{name}"] = gaffke_lower_bound(change, 0.025)
            gates[f"G2{name}"] = figures[f"bound_{name}"] > -tolerance
        severe = sum(gain <= -0.5 for gain in gains)
        figures |= {"severe": severe, "critical_before": criticals(base), "critical_after": criticals(rows)}
        gates["G4"] = clopper_pearson_upper(severe, samples, 0.05) <= 0.10
        gates["G5"] = criticals(rows) <= criticals(base)
        self.result.figures, self.result.gates = figures, gates


def paired(before: Sequence[Outcome], after: Sequence[Outcome], name: str) -> list[float]:
    pairs = ((getattr(old.score, name), getattr(new.score, name)) for old, new in zip(before, after, strict=True))
    return [new - old for old, new in pairs if old is not None and new is not None]


def criticals(rows: Sequence[Outcome]) -> int:
    return sum(row.score.critical for row in rows)


def scan(seed: int) -> Result:
    """The result of one scan of the demo."""
    work = Scan(seed)
    finalist = work.search()
    if finalist is not None:
        work.verify(finalist)
    return work.result
