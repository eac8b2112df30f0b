"""Parts of recipes: what several share, and the figures of long ones."""
