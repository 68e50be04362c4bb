"""LangGraph state machines, made of nodes that are written elsewhere."""
