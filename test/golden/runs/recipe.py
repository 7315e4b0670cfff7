"""recipe.py: numbers made from a hash, the same as in recipe.ts, so that goldens and benchmarks need no stored data."""
import math
import numpy as np


def noise(seed, n):
    """n whole numbers in [0, 2^32): murmur3's finalizer over a counter."""
    x = np.arange(n, dtype=np.uint32) + np.uint32(seed * 0x9E3779B9 & 0xFFFFFFFF)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x85EBCA6B)
    x ^= x >> np.uint32(13)
    x *= np.uint32(0xC2B2AE35)
    x ^= x >> np.uint32(16)
    return x


def uniform(seed, n):
    """n f32 in [-1, 1), exact: 24 bits of noise."""
    return ((noise(seed, n) >> np.uint32(8)).astype(np.float64) / 2**23 - 1).astype(np.float32)


def weights(shapes_and_bounds):
    """Parameter k is uniform(k) times its bound, rounded once to f32."""
    return [
        (uniform(k, math.prod(shape)).astype(np.float64) * bound).astype(np.float32).reshape(shape)
        for k, (shape, bound) in enumerate(shapes_and_bounds)
    ]
