"""What this node holds: registration of received instances, identity, search and visibility."""
