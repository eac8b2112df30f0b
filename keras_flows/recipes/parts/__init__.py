"""What several recipes share, and what would make one of them too long."""
