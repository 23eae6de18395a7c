"""Ray: the only room that knows it."""
