"""Evaluation: what routing would have earned on held-out queries."""
