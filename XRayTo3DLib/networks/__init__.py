"""The nets as plain ``nn.Module``s, one file per net, and their losses: torch alone, no cases, no training."""
