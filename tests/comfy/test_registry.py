"""What ComfyUI and its registry read of pyproject.toml."""

from .conftest import PACK


def test_comfyui_understands_the_project(comfy):
    """One classifier that ComfyUI does not know empties its list; one with an accelerator's name hides the pack."""
    from comfy_config.config_parser import extract_node_configuration

    project = extract_node_configuration(PACK).project
    assert project.license.text == "Apache-2.0"
    assert project.supported_os == ["OS Independent"]
    assert project.supported_accelerators == []
    assert project.supported_comfyui_version.startswith(">=0.")
