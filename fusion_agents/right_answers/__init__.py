"""Which answers in a log are known to be right, and worth learning from."""
