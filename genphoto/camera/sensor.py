"""Linear sensor model: how many photons a picture is, and what the camera reads out of them.

Source: EMVA Standard 1288, linear camera model. Every channel is a full plane of photosites (no color filter array).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

FEW = 12.0  # mean number up to which Poisson numbers are whole
MOST_OF_FEW = 48  # ten standard deviations above FEW
PIECE, SIXTEEN = 2**15, 16  # numbers that are drawn at a time, and that torch draws together

FULL_FRAME_DIAGONAL_MM = math.hypot(36.0, 24.0)


@dataclass(frozen=True, slots=True)
class Sensor:
    """Size and electrical properties of an image sensor.

    full_well_e is the EMVA saturation capacity: electrons *made by light* at saturation, at base_iso, dark charge not
    counted. read_noise_e is referred to the photosite and the same at every ISO. dark_current_e_s is per photosite, at
    the sensor's working temperature. black_level_dn is the pedestal that keeps noise around black above zero.
    """

    name: str
    width_mm: float
    height_mm: float
    quantum_efficiency: float
    full_well_e: float
    read_noise_e: float
    dark_current_e_s: float
    adc_bits: int
    black_level_dn: int
    base_iso: float = 100.0

    def __post_init__(self) -> None:
        rules = {
            "width_mm": (self.width_mm > 0, "above 0 mm"),
            "height_mm": (self.height_mm > 0, "above 0 mm"),
            "quantum_efficiency": (0 < self.quantum_efficiency <= 1, "above 0 and at most 1"),
            "full_well_e": (self.full_well_e > 0, "above 0 electrons"),
            "read_noise_e": (self.read_noise_e >= 0, "0 electrons or more"),
            "dark_current_e_s": (self.dark_current_e_s >= 0, "0 electrons per second or more"),
            "adc_bits": (self.adc_bits in range(1, 25), "a whole number from 1 to 24"),
            "black_level_dn": (0 <= self.black_level_dn < self.white_level_dn, "0 or more and below the last level"),
            "base_iso": (self.base_iso > 0, "above 0"),
        }
        for field, (holds, allowed) in rules.items():
            value = getattr(self, field)
            if not (holds and math.isfinite(value)):
                raise ValueError(f"sensor {self.name!r}: {field} is {value}; it must be finite and {allowed}.")

    @property
    def diagonal_mm(self) -> float:
        """Diagonal [mm]."""
        return math.hypot(self.width_mm, self.height_mm)

    @property
    def crop_factor(self) -> float:
        """Diagonal of 36 x 24 mm over the diagonal of this sensor."""
        return FULL_FRAME_DIAGONAL_MM / self.diagonal_mm

    @property
    def white_level_dn(self) -> int:
        """Highest digital number of the converter."""
        return 2**self.adc_bits - 1

    def saturation_electrons(self, iso: float) -> float:
        """Electrons [e-] at the clipping level: the full well at base ISO, less above it because the gain is higher."""
        if not (math.isfinite(iso) and iso >= self.base_iso):
            raise ValueError(
                f"iso is {iso}; sensor {self.name!r} amplifies from ISO {self.base_iso:g} upward. "
                f"Use {self.base_iso:g} or more, and less light for a darker picture."
            )
        return self.full_well_e * self.base_iso / iso

    def gain_dn_per_e(self, iso: float) -> float:
        """System gain [DN/e-]: saturation_electrons(iso) drive the converter from the pedestal to its last level."""
        return (self.white_level_dn - self.black_level_dn) / self.saturation_electrons(iso)


# Typical values of the sensor class, not one product's datasheet. Full wells run with the area of a photosite.
#             name               mm           QE  full well  read  dark/s ADC pedestal
SENSORS: tuple[Sensor, ...] = (
    Sensor("full-frame", 36.0, 24.0, 0.55, 60_000, 2.5, 0.10, 14, 512),
    Sensor("aps-c", 23.5, 15.6, 0.55, 35_000, 2.5, 0.10, 14, 512),
    Sensor("micro-four-thirds", 17.3, 13.0, 0.55, 25_000, 2.2, 0.10, 12, 128),
    Sensor("one-inch", 13.2, 8.8, 0.60, 14_000, 2.0, 0.10, 12, 128),
    Sensor("phone", 9.8, 7.35, 0.70, 7_000, 1.6, 0.10, 10, 32),
)


def sensor_named(name: str) -> Sensor:
    """The sensor of SENSORS with this name."""
    for sensor in SENSORS:
        if sensor.name == name:
            return sensor
    raise ValueError(f"no sensor is named {name!r}; choose one of {', '.join(sensor.name for sensor in SENSORS)}.")


def expose(
    irradiance: Tensor,
    sensor: Sensor,
    *,
    exposure_ev: float,
    exposure_time_s: float,
    iso: float,
    base_iso_of_image: float,
    generator: torch.Generator | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Linear signal (..., H, W) in [0, 1] that the sensor delivers for linear light (..., H, W); 1 is clipping.

    irradiance 1 is what saturates the photograph that the light comes from, taken at ISO base_iso_of_image.
    exposure_ev [stops] is the change of *light* on the sensor since then (time and aperture); iso only amplifies, so
    the signal is irradiance * 2**exposure_ev * iso / base_iso_of_image up to clipping. exposure_time_s sets the dark
    charge: its mean is subtracted, its shot noise stays.

    Without a generator: the expected signal, free of noise and rounding, differentiable below clipping. With a CPU
    generator: photon, dark and read noise, then quantization; no gradient. Planes (H, W) are drawn one after another,
    so that a batch equals its images exposed in turn with the same generator. The noisy signal is written to `out`,
    which may be `irradiance` itself; a new tensor where None.
    """
    dtype = torch.promote_types(irradiance.dtype, torch.float32)

    def electrons(light: Tensor) -> Tensor:
        photons = mean_photons(light.to(dtype), sensor, exposure_ev, base_iso_of_image)
        return sensor.quantum_efficiency * photons

    def part_of(light: Tensor) -> Callable[[slice], Tensor]:
        return lambda pixels: electrons(light[pixels])

    if generator is None:
        _require_time(exposure_time_s)
        signal = electrons(irradiance) / sensor.saturation_electrons(iso)
        return signal.clamp(0.0, 1.0).to(irradiance.dtype)

    out = torch.empty_like(irradiance) if out is None else out
    for index in product(*map(range, irradiance.shape[:-2])):
        light = irradiance[index].detach().cpu().flatten()
        numbers = _numbers(
            part_of(light),
            len(light),
            sensor,
            exposure_time_s=exposure_time_s,
            iso=iso,
            generator=generator,
        )
        signal = numbers.sub_(sensor.black_level_dn).div_(sensor.white_level_dn - sensor.black_level_dn)
        out[index] = signal.clamp_(0.0, 1.0).reshape(irradiance.shape[-2:])
    return out


def mean_photons(irradiance: Tensor, sensor: Sensor, exposure_ev: float, base_iso_of_image: float) -> Tensor:
    """Expected photons per photosite for relative light: irradiance 1 at 0 EV saturates at ISO base_iso_of_image.

    Anchored at saturation, a lower quantum efficiency means more photons for the same electrons.
    """
    if not math.isfinite(exposure_ev):
        raise ValueError(f"exposure_ev is {exposure_ev}; give a finite number of stops.")
    if not (math.isfinite(base_iso_of_image) and base_iso_of_image > 0):
        raise ValueError(f"base_iso_of_image is {base_iso_of_image}; give the photograph's ISO, above 0 (often 100).")
    photons_at_full_well = sensor.full_well_e / sensor.quantum_efficiency
    return irradiance * (photons_at_full_well * sensor.base_iso / base_iso_of_image * 2.0**exposure_ev)


def read_out(
    mean_electrons: Tensor, sensor: Sensor, *, exposure_time_s: float, iso: float, generator: torch.Generator
) -> Tensor:
    """Digital numbers [DN], pedestal included, read for expected light electrons [e-]; CPU tensors of any shape.

    EMVA 1288: Poisson light and dark charge, dark level taken off, Gaussian read noise, gain, converter. The last
    level of the converter is the full well at base ISO (and less charge above it), so that it does all the clipping.
    """
    means = mean_electrons.flatten()
    numbers = _numbers(
        lambda pixels: means[pixels],
        len(means),
        sensor,
        exposure_time_s=exposure_time_s,
        iso=iso,
        generator=generator,
        dtype=means.dtype,
    )
    return numbers.reshape(mean_electrons.shape)


def _numbers(
    mean_electrons: Callable[[slice], Tensor],
    count: int,
    sensor: Sensor,
    *,
    exposure_time_s: float,
    iso: float,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """The digital numbers (count,) of `read_out`, piece by piece: a large picture leaves no room for its copies."""
    _require_time(exposure_time_s)
    mean_dark = sensor.dark_current_e_s * exposure_time_s
    gain = sensor.gain_dn_per_e(iso)
    numbers = torch.randn(count, dtype=dtype, generator=generator)  # of the shot noise
    for pixels in _pieces(count):
        light = mean_electrons(pixels).clamp(0.0, 4.0 * sensor.full_well_e)  # four full wells clip with certainty
        read = torch.randn(light.shape, dtype=dtype, generator=generator)
        signal = _poisson(light + mean_dark, numbers[pixels]) - mean_dark + sensor.read_noise_e * read
        numbers[pixels] = (gain * signal + sensor.black_level_dn).round().clamp(0, sensor.white_level_dn)
    return numbers


def _pieces(count: int) -> Iterator[slice]:
    """Slices of 0..count-1, in which random numbers are the same as drawn at once: torch draws them by sixteens."""
    start = 0
    while start < count:
        stop = count if count - start < PIECE + SIXTEEN else start + PIECE
        yield slice(start, stop)
        start = stop


def _poisson(mean: Tensor, normal: Tensor) -> Tensor:
    """Poisson numbers of these means >= 0, each from the one normal number of its pixel.

    One number per pixel, whatever the mean: pictures that differ by a rounding have the same grain. Up to FEW the
    number is the quantile by summation; above, Cornish and Fisher's expansion of it (1938) to the fourth cumulant.
    """
    many, z = mean.clamp(min=FEW).double(), normal.double()
    root = many.sqrt()
    skew = (z * z).sub_(1).div_(6)
    kurtosis = (skew * z).div_(root).div_(12)
    numbers = root.mul_(z).add_(many).add_(skew).sub_(kurtosis)
    few = mean <= FEW
    if bool(few.any()):
        numbers[few] = _quantiles(mean[few].double(), torch.special.ndtr(z[few]))
    return numbers.to(mean.dtype)


def _quantiles(rate: Tensor, share: Tensor) -> Tensor:
    """Quantiles of Poisson distributions by summation."""
    count, term = torch.zeros_like(rate), torch.exp(-rate)
    total = term.clone()
    for number in range(1, MOST_OF_FEW + 1):
        more = share > total
        if not bool(more.any()):
            break
        count += more
        term = term * rate / number
        total += term
    return count


def _require_time(exposure_time_s: float) -> None:
    if not (math.isfinite(exposure_time_s) and exposure_time_s > 0):
        raise ValueError(f"exposure_time_s is {exposure_time_s} s; give a finite time above 0 s.")
