"""Judges: what says how good an answer is; one file each, a judge's prompt beside it."""
