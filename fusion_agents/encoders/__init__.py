"""Encoders turn query text into vectors."""
