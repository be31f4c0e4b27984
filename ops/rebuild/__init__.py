"""The index of a node written again from what lies beside it: packs, packages, blocks and texts."""
