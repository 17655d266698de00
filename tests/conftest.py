import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Tiny tensors run many times faster without threads where other work shares the cores."""
    torch.set_num_threads(1)
