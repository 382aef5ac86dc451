"""Arithmetic that is no layer: tiled products, top-k, log-sum-exp, precision, device.

Knows tensors and devices; knows neither models nor data.
"""
