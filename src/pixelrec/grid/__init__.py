"""Many runs compared: recipes × seeds, each cell in a process of its own, and one table of all of them.

This room works on run folders and the results of evaluations. It neither trains nor ranks anything itself,
and prints only progress; the command line shows the tables.
"""
