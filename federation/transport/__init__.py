"""How a node reaches mailbox hosts: one port, and its adapters by technology."""
