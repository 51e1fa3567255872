"""How large is each task's loss? One rescaling a file; names and options are in ``conflict.registry``."""
