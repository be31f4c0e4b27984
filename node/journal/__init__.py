"""The node's ordered events, how far each reader has got, and what they ask to be done."""
