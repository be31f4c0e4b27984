"""People of one hospital: accounts, roles, sessions, bearer tokens, and who did what."""
