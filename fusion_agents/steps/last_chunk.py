"""The evidence goes with the last chunk of a stream; every other chunk passes as it comes."""

from langchain_core.messages import AIMessageChunk
from langchain_core.messages.ai import UsageMetadata, add_usage, subtract_usage

from fusion_agents.answering.nouns import Answer
from fusion_agents.steps.evidence import counted, evidence
from fusion_agents.steps.turn import Turn
from fusion_agents.types import Judgement, Route


class LastChunk:
    """Holds back the chunk that says it is the last, until the answer is complete."""

    def __init__(self) -> None:
        self._held: AIMessageChunk | None = None
        self._usage: UsageMetadata | None = None

    def passes(self, chunk: AIMessageChunk) -> bool:
        """Whether to pass the chunk on at once."""
        if chunk.usage_metadata is not None:
            self._usage = add_usage(self._usage, chunk.usage_metadata)
        if chunk.chunk_position != "last":
            return True
        self._held = chunk
        return False

    def finish(
        self, answer: Answer, turn: Turn, route: Route, judgement: Judgement | None = None
    ) -> AIMessageChunk:
        """The last chunk, with the evidence and the usage of attempts that were not streamed."""
        last = self._held or AIMessageChunk(content="", id=answer.message.id, chunk_position="last")
        missing = subtract_usage(counted(answer, route), self._usage)
        found = evidence(turn, route, answer, judgement)
        metadata = {**last.response_metadata, "fusion": found}
        update: dict[str, object] = {"response_metadata": metadata}
        if missing["total_tokens"]:
            update["usage_metadata"] = add_usage(last.usage_metadata, missing)
        return last.model_copy(update=update)
