"""One hospital: what it holds and what happened there."""
