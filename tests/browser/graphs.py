"""The graphs of these tests, in the API's format."""

from ..comfy.base_camera import BASE_CAMERA


def node(class_type: str, **inputs) -> dict:
    """A node of a graph."""
    return {"class_type": class_type, "inputs": inputs}


def sweep(values: str) -> dict:
    """A CameraSweepSpec of apertures."""
    lens = {"setting": "aperture", "setting.first": 1.4, "setting.last": 16.0, "setting.focal_length_mm": 85.0}
    return node("CameraSweepSpec", frames=5, spacing="stops", **lens, **BASE_CAMERA | {"values": values})


CUP_LABELS = ("f/1.4", "f/2.8", "f/5.6", "f/16")
CUP = {
    "1": node("LoadImage", image="sample.jpg"),
    "2": node("LoadImage", image="sample_depth.png"),
    "3": sweep(" ".join(CUP_LABELS)),
    "4": node(
        "PhysicsSimulate",
        **{"image": ["1", 0], "sweep": ["3", 0], "depth": ["2", 0]},
        **{"depth_kind": "disparity, white is near", "near_m": 0.366, "far_m": 0.8},
        **{"focus": "point", "focus.x": 0.48, "focus.y": 0.5, "variant": "physical", "noise": True, "seed": 7},
        **{"dial": False, "highlights": 0.0, "width": 300, "height": 200},
    ),
    "5": node("GenPhotoSweepViewer", images=["4", 0], sweep=["4", 1], compare=["1", 0]),
}


def plain(*colors: int, width: int = 96, height: int = 64, compare: int | None = None) -> dict:
    """One frame per color (0xRRGGBB) into a viewer, compared with one frame of another color."""
    graph = {
        str(i + 1): node("EmptyImage", width=width, height=height, batch_size=1, color=color)
        for i, color in enumerate(colors)
    }
    batch = "1"
    for i in range(1, len(colors)):
        graph[f"{i}0"] = node("ImageBatch", image1=[batch, 0], image2=[str(i + 1), 0])
        batch = f"{i}0"
    graph["99"] = node("GenPhotoSweepViewer", images=[batch, 0])
    if compare is not None:
        graph["98"] = node("EmptyImage", width=width, height=height, batch_size=1, color=compare)
        graph["99"]["inputs"]["compare"] = ["98", 0]
    return graph
