"""Pictures of numbers as SVG: scales, ticks, axes and shapes.

Knows coordinates and markup; knows nothing of what the numbers mean, of pages, or of style sheets.
"""
