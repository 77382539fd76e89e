"""The live plots: memory by owner, activity by token, activity by layer and level."""
