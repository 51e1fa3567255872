"""Multi-task gradients for any ``nn.Module``: how large each task's loss is, and how the task gradients are combined."""
