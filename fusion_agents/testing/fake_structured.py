"""Structured output by response format, as providers offer it beside tool calls."""

from operator import itemgetter
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass


def by_response_format(
    model: BaseChatModel, schema: dict[str, Any] | type, method: str, *, include_raw: bool
) -> Runnable[Any, Any]:
    """Bind a `response_format` and parse what comes back."""
    function = convert_to_openai_tool(schema)["function"]
    parameters = function.get("parameters", {})
    response_format = (
        {"type": "json_object", "schema": parameters}
        if method == "json_mode"
        else {
            "type": "json_schema",
            "json_schema": {"name": function["name"], "schema": parameters},
        }
    )
    bound = model.bind(
        response_format=response_format,
        ls_structured_output_format={"kwargs": {"method": method}, "schema": schema},
    )
    parser = _parser(schema)
    if not include_raw:
        return bound | parser
    parsed = RunnablePassthrough.assign(
        parsed=itemgetter("raw") | parser, parsing_error=lambda _: None
    )
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=bound) | parsed.with_fallbacks([failed], exception_key="parsing_error")


def _parser(schema: dict[str, Any] | type) -> Runnable[Any, Any]:
    if isinstance(schema, type) and is_basemodel_subclass(schema):
        return PydanticOutputParser(pydantic_object=schema)
    return JsonOutputParser()
