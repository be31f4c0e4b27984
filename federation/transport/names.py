"""Names on the wire that both sides write."""

MAILBOX = "meridian.v1.Mailbox"
JOINING = "meridian.v1.Joining"
BLOB = "meridian-blob"
"""Metadata of PutBlob: the sealed file's digest."""
OFFSET = "meridian-offset"
"""Metadata of PutBlob: where its first byte goes, decimal."""
