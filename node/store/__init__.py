"""Packs: append-only files of instances as they arrived, and how a crash leaves them whole."""
