"""Durable work: a dramatiq broker over job rows, and the jobs bound to it."""
