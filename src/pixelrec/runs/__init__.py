"""Run folders: training and resuming, evaluation, comparison, recommendations and reports.

Knows the files of a run and puts the other rooms together; neither prints tables nor knows several runs of a
grid.
"""
