"""What a chat model keeps of a student: nothing that is copied or written with it."""

import threading
from typing import Any

from fusion_agents.students.loading import Loaded, load


class Holder:
    """Loads a student when it is first asked for, and keeps it as long as it is asked the same.

    Copies share what is loaded; what is pickled loads again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: dict[tuple[str, str, str], Loaded] = {}

    def get(self, folder: str, device: str, dtype: str) -> Loaded:
        """The student, loaded."""
        wanted = (folder, device, dtype)
        with self._lock:
            if wanted not in self._loaded:
                self._loaded = {wanted: load(folder, device, dtype)}
            return self._loaded[wanted]

    def __deepcopy__(self, memo: dict[int, Any]) -> "Holder":
        return self

    def __reduce__(self) -> tuple[type["Holder"], tuple[()]]:
        return Holder, ()
