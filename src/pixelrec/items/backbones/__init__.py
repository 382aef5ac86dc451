"""Picture networks that can be frozen, cut and cached at any depth.

`networks` makes one from a recipe's options; `backbone` is their interface. Knows pixels and checkpoints;
knows neither items nor the table.
"""
