"""Pictures of items: reading and checking covers, packing them into a store, reading the store.

Knows item ids, files and pixels; knows nothing of events, users or networks.
"""
