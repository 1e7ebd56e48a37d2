"""Every evaluator kind there is, as one discriminated union, and the one way to run those that are code."""

from typing import Annotated, assert_never

from pydantic import Field

from spectral_platform.evaluations.evaluators import (
    contains,
    exact_match,
    groundedness,
    instruction,
    json_path,
    json_schema,
    max_cost,
    max_latency,
    max_tokens,
    numeric_tolerance,
    pii,
    prompt_leak,
    refusal,
    regex,
    rouge_l,
    semantic_similarity,
    tool_calls,
)
from spectral_platform.evaluations.evaluators.contains import Contains
from spectral_platform.evaluations.evaluators.exact_match import ExactMatch
from spectral_platform.evaluations.evaluators.groundedness import Groundedness
from spectral_platform.evaluations.evaluators.instruction import Instruction
from spectral_platform.evaluations.evaluators.json_path import JsonPath
from spectral_platform.evaluations.evaluators.json_schema import JsonSchema
from spectral_platform.evaluations.evaluators.llm_judge import LlmJudge
from spectral_platform.evaluations.evaluators.max_cost import MaxCost
from spectral_platform.evaluations.evaluators.max_latency import MaxLatency
from spectral_platform.evaluations.evaluators.max_tokens import MaxTokens
from spectral_platform.evaluations.evaluators.numeric_tolerance import NumericTolerance
from spectral_platform.evaluations.evaluators.pii import Pii
from spectral_platform.evaluations.evaluators.prompt_leak import PromptLeak
from spectral_platform.evaluations.evaluators.refusal import Refusal
from spectral_platform.evaluations.evaluators.regex import Regex
from spectral_platform.evaluations.evaluators.rouge_l import RougeL
from spectral_platform.evaluations.evaluators.semantic_similarity import SemanticSimilarity
from spectral_platform.evaluations.evaluators.subjects import Evaluation, Subject
from spectral_platform.evaluations.evaluators.tool_calls import ToolCalls

CodeEvaluator = (
    Contains
    | ExactMatch
    | Groundedness
    | Instruction
    | JsonPath
    | JsonSchema
    | MaxCost
    | MaxLatency
    | MaxTokens
    | NumericTolerance
    | Pii
    | PromptLeak
    | Refusal
    | Regex
    | RougeL
    | SemanticSimilarity
    | ToolCalls
)
"""The evaluators that need no model."""

CodeEvaluatorSpec = Annotated[CodeEvaluator, Field(discriminator="kind")]
EvaluatorSpec = Annotated[CodeEvaluator | LlmJudge, Field(discriminator="kind")]


def evaluate(spec: CodeEvaluator, subject: Subject) -> Evaluation:
    """Evaluate by code: deterministic, free, and without a model. A judge has to be asked (`evaluations.judging`)."""
    match spec:
        case Contains():
            return contains.evaluate(spec, subject)
        case ExactMatch():
            return exact_match.evaluate(spec, subject)
        case Groundedness():
            return groundedness.evaluate(spec, subject)
        case JsonSchema():
            return json_schema.evaluate(spec, subject)
        case MaxCost():
            return max_cost.evaluate(spec, subject)
        case MaxLatency():
            return max_latency.evaluate(spec, subject)
        case MaxTokens():
            return max_tokens.evaluate(spec, subject)
        case Pii():
            return pii.evaluate(spec, subject)
        case PromptLeak():
            return prompt_leak.evaluate(spec, subject)
        case Refusal():
            return refusal.evaluate(spec, subject)
        case Regex():
            return regex.evaluate(spec, subject)
        case Instruction():
            return instruction.evaluate(spec, subject)
        case JsonPath():
            return json_path.evaluate(spec, subject)
        case NumericTolerance():
            return numeric_tolerance.evaluate(spec, subject)
        case RougeL():
            return rouge_l.evaluate(spec, subject)
        case SemanticSimilarity():
            return semantic_similarity.evaluate(spec, subject)
        case ToolCalls():
            return tool_calls.evaluate(spec, subject)
        case _:
            assert_never(spec)
