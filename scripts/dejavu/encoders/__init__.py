"""Models that turn images and texts into unit vectors, one module a family.

An encoder has `facts` (its name's weights and preprocessing as a fingerprint, versions),
`prepare_image` (what an image becomes before it meets its batch; threads do that ahead of the
model), and `encode_images` of prepared images or `encode_texts`: float32 [n, d], rows of length 1
(of image models where so configured).
"""
