"""What measures in a process of its own, one module for each program: a line of JSON."""
