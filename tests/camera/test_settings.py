"""What every setting promises, and that a new one is a file."""

import copy
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from genphoto.camera.camera import Camera
from genphoto.camera.settings import SETTINGS
from genphoto.camera.sweep import CameraSweep

ROOT = Path(__file__).parents[2]
every_setting = pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)


@every_setting
def test_a_written_value_is_read_back(setting):
    for value in (*setting.domain, 0.3 * setting.domain[0] + 0.7 * setting.domain[1]):
        assert setting.read(setting.write(setting.base, value)) == pytest.approx(value, rel=1e-9, abs=1e-12)


@every_setting
def test_the_trained_domain_lies_within_the_physical_limits(setting):
    low, high = setting.domain
    assert setting.limits[0] <= low < high <= setting.limits[1]


@every_setting
def test_words_are_complete(setting):
    assert setting.name.isidentifier()
    assert setting.label
    assert setting.unit
    assert setting.description.endswith(".")
    assert len({setting.prompt(value) for value in setting.domain}) == 2


@every_setting
@pytest.mark.parametrize("size", [(256, 384), (17, 9)])
def test_the_prior_tells_the_values_apart(setting, size):
    sweep = CameraSweep.linear(setting.name, *setting.domain, 4)
    prior = setting.prior(sweep.cameras, sweep.base, size)
    assert prior.shape == (4, 3, *size)
    assert prior.dtype == torch.float32
    assert torch.isfinite(prior).all()
    assert len({frame.sum().item() for frame in prior}) == 4


@every_setting
def test_samples_lie_in_the_domain_and_follow_the_generator(setting):
    one, same = (setting.sample(200, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(one, same)
    assert setting.domain[0] <= one.min() < one.max() <= setting.domain[1]


def test_field_of_view_is_the_share_that_is_seen():
    sweep = CameraSweep({"focal_length": [24, 48]})
    prior = sweep.settings[0].prior(sweep.cameras, sweep.base, (100, 200))
    assert prior[0].min() == 1
    assert prior[1].mean().item() == pytest.approx(0.25)
    assert prior[1, 0, 50].tolist() == [0.0] * 50 + [1.0] * 100 + [0.0] * 50


def test_exposure_prior_doubles_with_the_time():
    sweep = CameraSweep({"shutter_speed": [0.25, 0.5, 1.0]})
    assert sweep.settings[0].prior(sweep.cameras, sweep.base, (1, 1))[:, 0, 0, 0].tolist() == [0.5, 1, 2]


def test_white_prior_is_neutral_at_the_base_and_warm_below():
    sweep = CameraSweep({"color_temperature": [6504, 3000]}, Camera())
    neutral, warm = sweep.settings[0].prior(sweep.cameras, sweep.base, (1, 1))[:, :, 0, 0]
    assert neutral.tolist() == [1, 1, 1]
    assert warm[0] > warm[1] > warm[2]


NEW_SETTING = '''
"""Focus distance: which plane is sharp."""

from dataclasses import replace

import torch

from ..camera import LIMITS
from ..setting import CameraSetting

FOCUS_DISTANCE = CameraSetting(
    name="focus_distance", label="Focus distance", unit="m", description="The plane that is sharp.",
    domain=(0.5, 10.0), limits=LIMITS["focus_distance_m"][1:],
    read=lambda camera: camera.focus_distance_m,
    write=lambda camera, m: replace(camera, focus_distance_m=m),
    format=lambda m: f"{m:g} m", prompt=lambda m: f"<focus: {m}>",
    phrase=lambda m: f"with focus at {m:g} m",
    prior=lambda cameras, base, size: torch.tensor([1 / c.focus_distance_m for c in cameras])[:, None, None, None]
    .expand(-1, 3, *size),
    sample=lambda count, generator: 0.5 + 9.5 * torch.rand(count, generator=generator),
    units={"m": 1.0, "cm": 0.01},
)
'''


@pytest.fixture
def with_a_new_setting(tmp_path):
    """A copy of the library in which a sixth setting is one file and its name in the tuple."""
    shutil.copytree(ROOT / "genphoto", tmp_path / "genphoto", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "tests" / "camera", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    settings = tmp_path / "genphoto" / "camera" / "settings"
    (settings / "focus_distance.py").write_text(NEW_SETTING)
    listing = (settings / "__init__.py").read_text()
    listing = listing.replace("from .focal", "from .focus_distance import FOCUS_DISTANCE\nfrom .focal")
    (settings / "__init__.py").write_text(listing.replace("    FOCAL_LENGTH,", "    FOCAL_LENGTH, FOCUS_DISTANCE,"))

    def run(*arguments):
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_a_new_setting_is_one_file(with_a_new_setting, tmp_path):
    """The command line lists and simulates it, and this file's contracts hold for it, with nothing else changed."""
    listed = with_a_new_setting("-m", "genphoto", "settings")
    assert "focus_distance" in listed.stdout, listed.stderr
    contracts = with_a_new_setting(
        "-m", "pytest", "tests/test_settings.py", "-q", "-k", "focus_distance", "-p", "no:cacheprovider"
    )
    assert "7 passed" in contracts.stdout, contracts.stdout
    code = (
        "import torch; from genphoto.camera.imaging import *; from genphoto.camera.sweep import CameraSweep\n"
        "photo = Photo(torch.rand(3, 40, 60), torch.linspace(0.01, 2, 60).expand(40, 60), Camera(85))\n"
        "sweep = CameraSweep({'aperture': [1.4, 1.4], 'focus_distance': ['50 cm', 5]}, Camera(85))\n"
        "one, other = simulate(photo, sweep); assert (one - other).abs().mean() > 0.05\n"
        "assert CameraSweep.from_json(sweep.to_json()) == sweep; print(sweep)"
    )
    simulated = with_a_new_setting("-c", code)
    assert "0.5 m" in simulated.stdout, simulated.stderr


def test_two_settings_move_the_iris():
    assert {setting.name for setting in SETTINGS if setting.moves_iris} == {"aperture", "bokeh"}


@every_setting
def test_a_setting_travels_between_processes_by_its_name(setting):
    assert pickle.loads(pickle.dumps(setting)) is setting
    assert copy.deepcopy(setting) is setting


def test_a_setting_that_nobody_knows_by_name_does_not_travel():
    with pytest.raises(pickle.PicklingError, match=f"'{SETTINGS[-1].name}' is not one of SETTINGS"):
        pickle.dumps(replace(SETTINGS[-1], prefix=""))
