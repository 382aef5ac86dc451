"""Many runs compared: recipes × seeds, each cell in a process of its own, and one table of all of them.

This room knows run folders and the results of evaluations. It does not train or rank anything itself, and
prints only progress; tables are shown by the command line.
"""
