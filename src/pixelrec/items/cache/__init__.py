"""The activation cache: outputs of the frozen part of a picture network, computed once per catalogue.

Knows networks, pictures and disks; knows neither recipes nor training.
"""
