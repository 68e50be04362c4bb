"""Running code that nobody has read, and finding out whether it is right.

`find_sandbox` gives the best sandbox of this machine after trying it out, or says why there is
none; `judge` runs an answer in one process and its tests in another.
"""
