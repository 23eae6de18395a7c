"""Stills and video: the only room that reads or writes pixels on disk."""
