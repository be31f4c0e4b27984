"""Why an envelope was not taken: one class per reason, each saying what happened and what helps.

The words are shown to the administrator; they name nodes and numbers, never content.
"""

from __future__ import annotations

from node.errors import Conflict, Damaged, InvalidRequest, Refused, Unavailable


class EnvelopeMalformed(InvalidRequest):
    """The bytes are not framed as an envelope."""


class UnknownSuite(InvalidRequest):
    """It is sealed in a way this version does not know."""


class Misnumbered(InvalidRequest):
    """A message that must be numbered is not, or the other way round."""


class NotForUs(Refused):
    """It is addressed to another node."""


class UnknownSender(Refused):
    """Its sender is not in the roster: a peer that was never admitted, or our roster is old."""


class RevokedSender(Refused):
    """Its sender was revoked."""


class Forged(Refused):
    """It opened, but its sender did not sign it, or signed it for another place or number."""


class KeyGone(Damaged):
    """It was sealed for a key that this node does not have: the sender must seal it again."""


class EnvelopeDamaged(Damaged):
    """It was altered or cut off on its way: the sender must seal it again."""


class ChainBroken(Damaged):
    """It has the right number, but the one before it is not the one taken here."""


class Forked(ChainBroken):
    """Another envelope was taken under its number: its sender lives twice, or was restored."""


class Replayed(Conflict):
    """Its number was taken already; a host may deliver twice, and nothing is lost."""


class OutOfOrder(Unavailable):
    """An earlier one has not come yet; it can be taken after that."""
