"""Both tiers compared with what was received, and healed from each other."""
