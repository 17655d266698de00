import pytest

from genphoto.camera.settings import setting_named
from genphoto.camera.sweep import CameraSweep
from genphoto.model.differential import setting_values


def test_a_sweep_of_the_dial_is_no_sweep_of_the_light():
    kelvin = [3000, 6500]
    setting = setting_named("color_temperature")
    assert setting_values(CameraSweep({"color_temperature": kelvin}), setting) == kelvin
    with pytest.raises(ValueError, match="those of a white-balance dial"):
        setting_values(CameraSweep({"color_temperature": kelvin}, dial=True), setting)
    unchanged = CameraSweep({"focal_length": [24, 50]}, dial=True)
    assert setting_values(unchanged, setting_named("focal_length")) == [24, 50]
