"""Meta-RL: families of small problems whose best returns are known.

A trial is several attempts at one instance; an agent that remembers them can learn the instance within the trial.
"""
