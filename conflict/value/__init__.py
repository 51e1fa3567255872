"""What does a value head learn? One value target a file; names and options are in ``conflict.registry``."""
