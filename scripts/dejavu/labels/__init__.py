"""Labels of images and tags of crops, one module a way to get them."""
