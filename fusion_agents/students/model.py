"""A trained model in this process as a LangChain chat model."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, ModelProfile
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import ConfigDict, Field, PrivateAttr

from fusion_agents.errors import ConfigError
from fusion_agents.students.calling import Options, as_message, make_job, read_options
from fusion_agents.students.files import StudentFiles, context_window, find_student
from fusion_agents.students.holding import Holder
from fusion_agents.students.jobs import Job
from fusion_agents.students.loading import Loaded


class StudentChatModel(BaseChatModel):
    """Asks a model whose weights are on this machine: a student, or the base it was made of.

    The weights are loaded with the first question, once in a process: all that ask a base or one
    of its adapters share them. Questions that wait at the same time are answered together, in a
    thread of the model's own; a call that is given up, by cancelling it or by leaving its stream,
    stops before its next token. The answer is the likeliest one token by token unless there is a
    temperature; penalties and sampling that a model recommends for itself are not applied, so that
    a student and its base differ by nothing but their weights. Questions are put in the model's
    own chat template, and text that spells a control token is read as its letters.

    It knows text, in messages of the system, users and models; tools, pictures and structured
    output are refused.

    Why not `ChatHuggingFace` over a Transformers pipeline (langchain-huggingface 1.2): there,
    asynchronous calls are not implemented and chat does not stream, stop sequences are ignored,
    neither usage nor finish reason is given, and text can forge control tokens.

    Args:
        folder: What training wrote (with `student.json`), a PEFT adapter, a Transformers model, or
            a model's name on the hub. Code that comes with a model is never run, and weights are
            read as safetensors only.

    >>> StudentChatModel(folder="students/arithmetic", max_tokens=64).temperature
    0.0
    """

    folder: str
    max_tokens: int = Field(default=1024, ge=1)
    """Of the answer; what the context window leaves is the limit below that."""
    temperature: float = Field(default=0.0, ge=0.0, allow_inf_nan=False)
    seed: int | None = None
    """Of draws with a temperature; none for another one each time."""
    stop: list[str] | None = None
    """The answer ends before the first of these."""
    timeout: float | None = Field(default=None, gt=0.0)
    """Seconds after which a call gives up, its wait for others included."""
    device: str = "auto"
    """As PyTorch names it; `auto` for the accelerator where there is one."""
    dtype: str = "auto"
    """As PyTorch names it; `auto`: as saved on an accelerator, `float32` on a processor."""
    batch_size: int = Field(default=8, ge=1)
    """How many waiting questions are answered together at most."""
    streaming: bool = False
    """Whether `invoke` streams, so that callbacks see each piece."""

    model_config = ConfigDict(extra="forbid")

    _holder: Holder = PrivateAttr(default_factory=Holder)

    @property
    def files(self) -> StudentFiles:
        """Which files it is made of.

        Raises:
            ConfigError: If they are not there.
        """
        return find_student(self.folder)

    def load(self) -> Loaded:
        """Load the weights now; without it, the first question does.

        Raises:
            ConfigError: If they cannot be loaded, or the extra `train` is missing.
        """
        return self._holder.get(self.folder, self.device, self.dtype)

    # -- what LangChain calls ---------------------------------------------------------------

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        options = self._options(stop, kwargs)
        loaded, job = self._prepare(messages, options)
        try:
            loaded.engine.submit(job)
            answer = job.answer.result(options.timeout)
        finally:
            job.give_up()
        return _result(as_message(AIMessage, answer.text, loaded, job, answer))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        options = self._options(stop, kwargs)
        loaded, job = await asyncio.to_thread(self._prepare, messages, options)
        try:
            loaded.engine.submit(job)
            answer = await asyncio.wait_for(asyncio.wrap_future(job.answer), options.timeout)
        finally:
            job.give_up()
        return _result(as_message(AIMessage, answer.text, loaded, job, answer))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        options = self._options(stop, kwargs)
        pieces: SimpleQueue[str | None] = SimpleQueue()
        loaded, job = self._prepare(messages, options, pieces.put)
        job.answer.add_done_callback(lambda _: pieces.put(None))
        left = _countdown(options.timeout)
        try:
            loaded.engine.submit(job)
            while (piece := _get(pieces, left())) is not None:
                yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
        finally:
            job.give_up()
        yield _last_chunk(loaded, job)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        options = self._options(stop, kwargs)
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[str | None] = asyncio.Queue()

        def put(piece: str | None) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(pieces.put_nowait, piece)

        loaded, job = await asyncio.to_thread(self._prepare, messages, options, put)
        job.answer.add_done_callback(lambda _: put(None))
        left = _countdown(options.timeout)
        try:
            loaded.engine.submit(job)
            while (piece := await asyncio.wait_for(pieces.get(), left())) is not None:
                yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
        finally:
            job.give_up()
        yield _last_chunk(loaded, job)

    def _options(self, stop: list[str] | None, given: Mapping[str, Any]) -> Options:
        defaults = {name: getattr(self, name) for name in Options.model_fields}
        return read_options(defaults, given if stop is None else {**given, "stop": stop})

    def _prepare(
        self,
        messages: list[BaseMessage],
        options: Options,
        on_text: Callable[[str], None] | None = None,
    ) -> tuple[Loaded, Job]:
        loaded = self.load()
        return loaded, make_job(loaded, messages, options, self.batch_size, on_text)

    # -- what it says about itself ----------------------------------------------------------

    @property
    def _llm_type(self) -> str:
        return "fusion-agents-student"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        names = ("folder", "max_tokens", "temperature", "seed", "stop", "dtype")
        return {name: getattr(self, name) for name in names}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop or self.stop, **kwargs)
        params["ls_provider"] = "student"
        params["ls_model_name"] = str(kwargs.get("model") or Path(self.folder).name)
        return params

    def _resolve_model_profile(self) -> ModelProfile:
        able = ModelProfile(
            image_inputs=False,
            audio_inputs=False,
            pdf_inputs=False,
            video_inputs=False,
            tool_calling=False,
            structured_output=False,
        )
        try:
            window = context_window(self.files)
        except ConfigError:
            window = None
        if window is not None:
            able["max_input_tokens"] = window
        return able


def _result(message: AIMessage) -> ChatResult:
    return ChatResult(generations=[ChatGeneration(message=message)])


def _last_chunk(loaded: Loaded, job: Job) -> ChatGenerationChunk:
    """Nothing more to say, and what the answer took."""
    message = as_message(AIMessageChunk, "", loaded, job, job.answer.result())
    message.chunk_position = "last"
    return ChatGenerationChunk(message=message)


def _countdown(seconds: float | None) -> Callable[[], float | None]:
    """Tells how many seconds are left from now on."""
    end = None if seconds is None else time.monotonic() + seconds
    return lambda: None if end is None else max(0.0, end - time.monotonic())


def _get(pieces: "SimpleQueue[str | None]", seconds: float | None) -> str | None:
    try:
        return pieces.get(timeout=seconds)
    except Empty:
        raise TimeoutError("the student did not answer in time") from None
