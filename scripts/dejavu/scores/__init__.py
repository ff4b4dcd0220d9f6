"""Scores and their intervals, from predictions to rows of tables."""
