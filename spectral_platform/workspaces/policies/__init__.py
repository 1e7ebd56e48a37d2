"""What a workspace has decided for itself: how long traces stay, what is masked, what models cost, who may change agents."""
