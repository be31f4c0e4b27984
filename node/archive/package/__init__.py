"""A study as one file: the format, how it is made by several processes, and how it is read without a node."""
