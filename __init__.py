"""ComfyUI's door to the pack. Imports nothing until ComfyUI asks for the nodes."""

WEB_DIRECTORY = "./web"


async def comfy_entrypoint():
    """The extension that lists the nodes."""
    from .nodes import GenPhotoExtension

    return GenPhotoExtension()
