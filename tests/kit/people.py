"""People who act at a node, beside its operator and its administrators."""

from __future__ import annotations

from node.people.accounts import Person

TECHNICIAN = Person(id="p1", user="chen", name="Chen", roles=frozenset({"technician"}))
