"""Writing to disk whole or not at all, locks between processes, checkpoints.

Knows paths, bytes and processes; knows nothing of what the files mean to the rooms that write them.
"""
