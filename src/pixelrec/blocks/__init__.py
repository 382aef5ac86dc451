"""Layers that two models share: attention, transformers, dropout, tables, towers.

Knows tensors; knows neither events nor items.
"""
