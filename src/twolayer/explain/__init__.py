"""What a network does, and whether its gradients are right."""
