"""From simulator to optimizer: collect, replay, update, loop, evaluate, checkpoint, log."""
