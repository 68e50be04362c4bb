"""Thought level: templates mined from the best answers, checked, retrieved, and held to account."""
