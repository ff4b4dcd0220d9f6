"""Before a run: what it will take, from finished runs of the same workflow at smaller sizes."""
