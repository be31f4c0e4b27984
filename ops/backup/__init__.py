"""Backups of a node: made while it runs, sealed, incremental; restored and tried out."""
