"""How a process ends, as numbers; 0 is done."""

WRONG = 2
"""Something that was asked for cannot be done, or not all of it."""

UNEXPECTED = 70
"""An error that nobody foresaw."""

INTERRUPTED = 130
"""The user pressed Ctrl-C, or the process was told to end."""
