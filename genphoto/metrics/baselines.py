"""The paper's baselines: the camera setting said in words to a model that knows no cameras, one prompt per frame."""

from __future__ import annotations

from ..camera.sweep import CameraSweep


def baseline_prompts(scene: str, sweep: CameraSweep) -> tuple[str, ...]:
    """One prompt per frame: "mountain trail; with 24mm lens."

    Sampled one by one with the same seed, they are how the paper runs SD3 and FLUX for comparison.
    """
    scene = scene.strip().rstrip(".;,")
    if not scene:
        raise ValueError("The scene is empty. Say what the picture shows, such as: a quiet mountain trail.")
    phrases = (
        ", ".join(setting.phrase(sweep.values[setting.name][index]) for setting in sweep.settings)
        for index in range(len(sweep))
    )
    return tuple(f"{scene}; {words}." for words in phrases)
