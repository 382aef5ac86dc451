"""Why a run recommends an item, to whom, and what another cover would change.

This room computes over a loaded run: ranks, scores and vectors, in frames. It neither draws nor serves them.
"""
