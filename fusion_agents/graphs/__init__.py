"""LangGraph state machines: composition only; each node is a thin wrapper over a step."""
