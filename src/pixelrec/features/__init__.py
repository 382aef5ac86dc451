"""Feature files: a vector per item, computed beforehand, with a record of its origin; and treatments.

The room knows vectors and item ids; it must not know networks, models or evaluation.
"""
