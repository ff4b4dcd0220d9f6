"""Trainings that the workflow does itself: one loop, and what each family puts into it."""
