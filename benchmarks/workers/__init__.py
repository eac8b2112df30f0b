"""Measurements, one module for each program, run in separate processes; each prints JSON."""
