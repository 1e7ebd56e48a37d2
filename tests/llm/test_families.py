import pytest

from spectral_platform.llm.families import model_family


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("gpt-4o-mini", "GPT"),
        ("openai/o3-mini", "GPT"),
        ("azure/my-chatgpt", "GPT"),
        ("anthropic/claude-sonnet-4-5", "Claude"),
        ("google/gemma-3-27b-it", "Gemini"),
        ("meta-llama/Llama-3.1-8B-Instruct", "Llama"),
        ("ollama/qwen3:8b", "Qwen"),
        ("mistralai/Mixtral-8x7B", "Mistral"),
        ("deepseek-r1-distill-llama-70b", "Llama"),
        ("deepseek-r1-distill-qwen-32b", "Qwen"),
        ("solo-2", "solo-2"),
        ("in-house:7b", "in-house"),
        ("", ""),
    ],
)
def test_the_family_is_read_off_the_name(model: str, family: str) -> None:
    assert model_family(model) == family
