"""A device that holds no float64, as Apple's MPS: its tensors live on the CPU and say that they are elsewhere."""

from contextlib import ExitStack, contextmanager

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

DEVICE = torch.device("meta")  # the one device that torch lets pass without a driver


class Elsewhere(torch.Tensor):
    """A tensor of that device; what is done with it is done with the CPU tensor `here`."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, here):
        kind = {"dtype": here.dtype, "device": DEVICE, "strides": here.stride()}
        return torch.Tensor._make_wrapper_subclass(cls, here.shape, **kind)

    def __init__(self, here):
        self.here = here

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        return _run(operation, args, kwargs or {})


def _run(operation, args, kwargs):
    elsewhere = any(isinstance(value, Elsewhere) for value in tree_flatten((args, kwargs))[0])
    if kwargs.get("device") is not None:
        elsewhere = torch.device(kwargs["device"]) == DEVICE
        kwargs = {**kwargs, "device": "cpu"}
    args_here, kwargs_here = tree_map(
        lambda value: value.here if isinstance(value, Elsewhere) else value, (args, kwargs)
    )
    result = operation(*args_here, **kwargs_here)
    if not elsewhere or operation is torch.ops.aten._local_scalar_dense.default:
        return result
    if operation._schema.name.endswith("_"):  # in place
        return args[0]
    return tree_map(lambda value: _moved(value, operation), result)


def _moved(value, operation):
    if not isinstance(value, torch.Tensor):
        return value
    if value.dtype == torch.float64:
        raise TypeError(f"{operation} makes float64 on a device that has none")
    return Elsewhere(value.clone() if value.is_conj() else value)  # whose wrapper would not say that it is one


class _Operations(TorchDispatchMode):
    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        return _run(operation, args, kwargs or {})


class _Literals(TorchFunctionMode):
    """torch.tensor with a device, and new_tensor: torch makes such tensors empty on this one."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if function is torch.tensor and "device" in kwargs:
            device = kwargs.pop("device")
            return torch.tensor(*args, **kwargs).to(device)
        if function is torch.Tensor.new_tensor:
            like, values = args
            kind = {"dtype": like.dtype, "device": like.device, **kwargs}
            return torch.tensor(values, dtype=kind["dtype"]).to(kind["device"])
        return function(*args, **kwargs)


@contextmanager
def no_float64():
    """Within it tensors can be moved to DEVICE; a TypeError where one there would be float64."""
    with ExitStack() as modes:
        modes.enter_context(_Literals())
        modes.enter_context(_Operations())
        yield DEVICE
