"""A chain over OpenAI and a local Ollama, with a model that picks while there is no log yet.

Needs OPENAI_API_KEY, a running Ollama with `ollama pull qwen3`, and `pip install langchain-ollama`.
What is answered is recorded, so that a router can learn from it once it is judged:
`fusion-agents fit --log routing.db --out router`, then `FusionRouterChain.from_router`.
"""

import sys

from fusion_agents import AnswerPolicy, FusionRouterChain, Pool, RoutingLog

POOL = Pool(
    {
        "mini": {
            "model": "openai:gpt-5-mini",
            "description": "fast and good at most things",
            "price": {"input": 0.25, "output": 2.0},
            "strategies": ["direct", "think"],
        },
        "local": {
            "model": "ollama:qwen3",
            "description": "free, runs here, for simple questions",
            "price": {"input": 0.0, "output": 0.0},
        },
    }
)


def main(question: str) -> None:
    with RoutingLog("routing.db") as log:
        chain = FusionRouterChain.from_models(
            POOL, classifier="mini", policy=AnswerPolicy(deadline=60), record=log
        )
        message = chain.invoke(question)
        fusion = message.response_metadata["fusion"]
        print(message.text)
        print(f"[{fusion['answered_by']}: {fusion['reason']}; {len(fusion['attempts'])} calls]")


if __name__ == "__main__":
    main(" ".join(sys.argv[1:]) or "How many prime numbers are there below 100?")
