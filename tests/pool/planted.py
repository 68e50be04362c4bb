"""The key that tests plant."""

KEY = "sk-planted-0123456789abcdef"
