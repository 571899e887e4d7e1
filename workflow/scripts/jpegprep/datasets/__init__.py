"""Where images and weights come from, what is wrong with them, which image goes where."""
