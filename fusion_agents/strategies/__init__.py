"""Strategies: how a query becomes the messages that a model is sent; one file each."""
