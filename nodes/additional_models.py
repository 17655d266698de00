"""Networks that ComfyUI loads, moves and unloads together with a MODEL."""

from comfy.model_patcher import ModelPatcher

KEY = "genphoto"  # of our additional models
LIFT = "lift"  # role of the motion modules
SAMPLING = "genphoto_sampling"  # attachment of a MODEL that tells how it wants to be sampled
ROLE = "genphoto_role"  # attachment that tells them apart; clones on every device keep it, but not their order


def with_additional(model: ModelPatcher, role: str, patcher: ModelPatcher) -> ModelPatcher:
    """A clone of MODEL with one more network, unless one has that role already."""
    clone = model.clone()
    if additional(clone, role) is None:
        added = patcher.clone()
        added.set_attachments(ROLE, role)
        clone.set_additional_models(KEY, [*clone.get_additional_models_with_key(KEY), added])
    return clone


def additional(model: ModelPatcher, role: str) -> ModelPatcher | None:
    """The additional network of that role."""
    of_role = (p for p in model.get_additional_models_with_key(KEY) if p.get_attachment(ROLE) == role)
    return next(of_role, None)
