"""Many images: the shards of every variant, their sizes, reading them, converting a user's own."""
