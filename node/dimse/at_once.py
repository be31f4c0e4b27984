"""How many associations a device of a rule has open, when its rule limits them."""

from __future__ import annotations

import threading
from collections import Counter

from node.dimse.rules import Admitted


class AtOnce:
    """Counts in memory, for one receiver; a device is a calling AE title at an address."""

    def __init__(self) -> None:
        self._open: Counter[tuple[str, str, str]] = Counter()
        self._lock = threading.Lock()

    def enter(self, admitted: Admitted, *, calling: str, address: str) -> bool:
        """Count one in; False when its rule lets no more of them in at once.

        The device is told to try again: rejected transient, local limit exceeded (2/3/2).

        Source: DICOM PS3.8 9.3.4, table 9-21.
        """
        key = (admitted.rule, calling, address)
        with self._lock:
            if admitted.at_once and self._open[key] >= admitted.at_once:
                return False
            self._open[key] += 1
            return True

    def leave(self, admitted: Admitted, *, calling: str, address: str) -> None:
        """Count one out that was counted in."""
        key = (admitted.rule, calling, address)
        with self._lock:
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]
