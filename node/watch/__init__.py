"""How large a node's tiers grow, whether it is backed up and that was tried, and what is said before either goes wrong."""
