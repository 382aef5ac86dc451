"""Training: the loop, losses, optimiser, saved states, and the processes that train together.

Knows devices, processes and clocks; does not know evaluations, recipe files or what a run folder holds beside
its checkpoints and journal.
"""
