"""A study brought back for whoever reads it: tickets in fair turns, the parts that are needed first."""
