import pytest

from fusion_agents.judges.families import families_of, family_of


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("gpt-4o-2024-08-06", "openai"),
        ("openai:o3-mini", "openai"),
        ("openai/gpt-oss-120b", "openai"),
        ("chatgpt-4o-latest", "openai"),
        ("claude-sonnet-4-5", "anthropic"),
        ("bedrock:us.anthropic.claude-3-haiku", "anthropic"),
        ("anthropic:some-alias", "anthropic"),
        ("google_genai:gemini-2.5-flash", "google"),
        ("gemma3:12b", "google"),
        ("ollama:llama3.1:8b", "meta"),
        ("meta-llama/Llama-3.3-70B-Instruct", "meta"),
        ("codellama-34b", "meta"),
        ("mistralai/Mixtral-8x7B", "mistral"),
        ("Qwen/Qwen2.5-7B-Instruct", "alibaba"),
        ("openai:Qwen/Qwen3-8B", "alibaba"),
        ("deepseek-chat", "deepseek"),
        ("phi3", "microsoft"),
        ("Phi-4-mini", "microsoft"),
        ("nvidia/nemotron-4-340b", "nvidia"),
        ("command-r-plus", "cohere"),
        ("glm-4.5", "zhipu"),
        ("house-model-2025-01-31", "house-model"),
        ("House-Model", "house-model"),
        ("philosopher", "philosopher"),
        ("small", "small"),
    ],
)
def test_a_models_name_says_its_family(name: str, family: str) -> None:
    assert family_of(name) == family


def test_a_distilled_model_has_two_families() -> None:
    assert families_of("deepseek-r1-distill-qwen-32b") == {"deepseek", "alibaba"}


def test_names_that_are_not_there_say_nothing() -> None:
    assert families_of(None, "", "gpt-5") == {"openai"}
