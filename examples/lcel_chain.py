"""A router in the middle of a chain: prompt, router, parser.

Runs offline: a simulated log, and models that replay its answers. In an app, `models` would be
`{"small": "openai:gpt-5-mini", ...}`, named as in the log.
"""

import tempfile
from pathlib import Path

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

from fusion_agents import FusionRouterChain, RoutingLog
from fusion_agents.simulation import simulate_log
from fusion_agents.testing.replay import ReplayChatModel


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        RoutingLog(Path(folder) / "routing.db") as log,
    ):
        log.append(simulate_log(200))
        questions = [query.text for query in log.queries()][:3]
        router = FusionRouterChain.from_log(
            log, models=ReplayChatModel.pool_of(log), objective="balance"
        )
        prompt = ChatPromptTemplate.from_messages([("human", "{question}")])
        chain = prompt | router | StrOutputParser()

        answers = chain.batch([{"question": question} for question in questions])
        for question, answer in zip(questions, answers, strict=True):
            route = router.route(question)
            print(f"{route.arm} answers {question!r}: {answer.splitlines()[-1]}")

        thrifty = router.with_config(configurable={"objective": "cost-first"})
        message = thrifty.invoke(questions[0])
        print("at the lowest cost:", message.response_metadata["fusion"]["answered_by"])


if __name__ == "__main__":
    main()
