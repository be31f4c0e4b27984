"""The one home of cryptography: a node's keys, signatures, seals, passwords and tokens."""
