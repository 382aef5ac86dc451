"""Output for people: tables, sentences, progress lines and numbers, as a terminal shows them.

Knows terminals; must not know what is shown: no recipe, run or data set.
"""
