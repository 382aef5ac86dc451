"""The command line: the functions of `api`, with their results printed.

Knows how words become arguments and how results look in a terminal; computes nothing itself.
"""
