"""A study deleted for good: who may, what goes from where, and the certificate of it."""
