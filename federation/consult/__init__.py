"""Consult cases: a clinic asks about a study, an expert pool's home node sequences, a signed report comes home."""
