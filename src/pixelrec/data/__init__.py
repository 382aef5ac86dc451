"""Data sets of events: reading and preparing them, splits, training rows, negatives, batches.

Knows who interacted with which item when; knows nothing of models. Of pictures it knows that they are packed.
"""
