"""Where models run."""

import torch


def prepare_torch(threads: int) -> torch.device:
    """Fix the number of threads, which shows in the last bits of a result; choose the device."""
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
