"""How are the task gradients combined? One strategy a file; names and options are in ``conflict.registry``."""
