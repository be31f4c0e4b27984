"""The client's own addresses: who is signed in, studies, consults, reports, and the node's affairs."""
