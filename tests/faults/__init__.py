"""Fault injection: kills, races, a faulty network, full disks, jumping clocks, hostile photos; `make faults` is all."""
