"""From bytes to lines, and what is wrong with them."""
