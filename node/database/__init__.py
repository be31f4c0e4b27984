"""The two-call database port, its adapters, and the tables."""
