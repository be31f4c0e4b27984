"""What hospitals do together: identity, sealed envelopes in mailboxes, consults."""
