"""Deterministic weights and inputs from names alone: numpy only, no torch, exact everywhere.

Every number comes from a 64-bit integer hash (splitmix64 finaliser) of (crc32 of the name, element
index), so it is bit-identical for any numpy version, operating system and processor. Nothing here
depends on a random generator's implementation or on libm.

    rule_weights(shapes, salt="")  name -> shape   gives   name -> float32 array
    rule_uniform(name, shape)      unit-variance uniform values, in [-sqrt(3), sqrt(3))
    rule_noise(name, shape)        unit-variance, bell-shaped values (sum of four uniforms), in +-3.46

`salt` separates sets which share names (the four camera checkpoints, for example): it is put in front
of the name before hashing, as "salt/name".
"""

import zlib

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)
_SQRT3 = 1.7320508075688772
_CHUNK = 1 << 20


def _hash01(seed, start, count):
    """`count` float64 values in [0, 1), element indices start..start+count-1 of the stream `seed`."""
    x = np.arange(start, start + count, dtype=np.uint64)
    x += np.uint64(1)
    x += np.uint64(seed) << np.uint64(32)
    x *= _GOLDEN
    x ^= x >> np.uint64(30)
    x *= _M1
    x ^= x >> np.uint64(27)
    x *= _M2
    x ^= x >> np.uint64(31)
    return (x >> np.uint64(11)).astype(np.float64) * (1.0 / 9007199254740992.0)


def _fill(name, shape, scale, shift, draws=1):
    """shift + scale * (unit-variance value of each element), computed in float64, rounded to float32."""
    seed = zlib.crc32(name.encode("utf-8")) & 0xFFFFFFFF
    size = int(np.prod(shape, dtype=np.int64)) if len(shape) else 1
    out = np.empty(size, dtype=np.float32)
    # A sum of `draws` uniforms has variance draws/12.
    unit = (12.0 / draws) ** 0.5 if draws != 1 else 2.0 * _SQRT3
    for lo in range(0, size, _CHUNK):
        n = min(_CHUNK, size - lo)
        acc = _hash01(seed, lo * draws, n * draws)
        if draws > 1:
            acc = acc.reshape(n, draws)
            total = acc[:, 0].copy()
            for d in range(1, draws):  # fixed order: the sum is the same on every machine
                total += acc[:, d]
            acc = total
        acc -= draws * 0.5
        acc *= unit * scale
        acc += shift
        out[lo : lo + n] = acc
    return out.reshape(shape)


def rule_uniform(name, shape, std=1.0, mean=0.0):
    return _fill(name, tuple(shape), std, mean)


def rule_noise(name, shape, std=1.0, mean=0.0):
    return _fill(name, tuple(shape), std, mean, draws=4)


def sinusoid_pe(shape):
    """The usual fixed table, [1, length, channels] (or with trailing ones): a buffer, not a weight."""
    _, length, channels = shape[:3]
    position = np.arange(length, dtype=np.float64)[:, None]
    rate = np.exp(np.arange(0, channels, 2, dtype=np.float64) * (-np.log(10000.0) / channels))
    table = np.zeros((1, length, channels), dtype=np.float64)
    table[0, :, 0::2] = np.sin(position * rate)
    table[0, :, 1::2] = np.cos(position * rate)
    return table.astype(np.float32).reshape(shape)


def _gain(name):
    """Standard deviation relative to 1/sqrt(fan_in): keeps every branch audible, none overwhelming."""
    if "_lora.up." in name:
        return 0.35
    if "qkv_merge." in name:
        return 0.6
    if name.endswith("encoder_conv_in.weight"):
        return 1.0
    return 1.0


def rule_weight(name, shape, salt=""):
    shape = tuple(int(s) for s in shape)
    key = f"{salt}/{name}" if salt else name
    if name.endswith("pos_encoder.pe"):
        return sinusoid_pe(shape)
    if name.endswith("token_embedding.weight"):
        return _fill(key, shape, 1.0, 0.0)
    if name.endswith("position_embedding.weight"):
        return _fill(key, shape, 0.3, 0.0)
    if len(shape) >= 2:
        fan_in = int(np.prod(shape[1:]))
        return _fill(key, shape, _gain(name) / fan_in**0.5, 0.0)
    if name.endswith(".weight"):  # the scale of a group or layer norm
        return _fill(key, shape, 0.1, 1.0)
    return _fill(key, shape, 0.1, 0.0)  # every bias


def rule_weights(shapes, salt=""):
    return {name: rule_weight(name, shape, salt) for name, shape in shapes.items()}
