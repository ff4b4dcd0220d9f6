"""Nearest neighbours: indexes over public shards, exact search over them, and approximate search.

Neighbours are those that float64 products, or squared distances, of the stored values give.
Products closer than 1e-6, or squared distances closer than 1e-6 of the larger, are ties, and ties
go by the lower sample number (method: neighbours).
"""
