"""The signed report, its documents, and their way to the clinic's PACS."""
