"""One image in, one image out: decode, treat, encode; and what a file says of itself."""
