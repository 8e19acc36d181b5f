"""PyTorch's side only: vit-pytorch mentions torchvision when it is imported and none of the cases uses it."""
