"""`torch.backends.openmp`: whether loops are spread by OpenMP."""


def is_available() -> bool:
    """Never: compiled kernels run on a pool of threads of flambeau's own (`backends.cpu.threads`)."""
    return False
