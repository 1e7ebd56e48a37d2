"""Every evaluator kind there is, as one discriminated union."""

from typing import Annotated

from pydantic import Field, TypeAdapter

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
CODE: TypeAdapter[CodeEvaluator] = TypeAdapter(CodeEvaluatorSpec)
"""Reads one of them."""
EvaluatorSpec = Annotated[CodeEvaluator | LlmJudge, Field(discriminator="kind")]
