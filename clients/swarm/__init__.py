"""A crowd of clients over worker processes, and the generator's own health beside what it measured.

`Swarm` is what a caller uses. Sans-IO are `stages`, `churn`, `plan`, `histogram`, `totals`, `verdict` and `report`.
"""
