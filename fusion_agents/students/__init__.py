"""Trained models that answer here, as LangChain chat models."""
