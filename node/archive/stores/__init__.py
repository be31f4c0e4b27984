"""Where packages are kept for decades: one port, a folder and an object store behind it."""
