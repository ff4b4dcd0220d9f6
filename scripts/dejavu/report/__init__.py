"""Figures, galleries, the verdict and the page."""
