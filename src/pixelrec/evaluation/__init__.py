"""Ranks of the true next items, and everything computed from them: metrics, intervals, verdicts, slices.

This room works on arrays and recommenders in memory: it reads and writes no file and prints nothing.
"""
