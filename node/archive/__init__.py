"""The archive tier: one compressed, verified package for each study."""
