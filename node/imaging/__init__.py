"""Pixels as pictures, and synthetic studies of known truth."""
