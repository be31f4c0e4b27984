"""What becomes of a study's copies, and when: pure decisions over facts, and the rows that both are read from."""
