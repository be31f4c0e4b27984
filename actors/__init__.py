"""Who drives it, and when: thin shells that follow the journal, and durable jobs."""
