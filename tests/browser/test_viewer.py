"""The sweep viewer in LiteGraph, in Vue nodes and in App mode."""

import io

import pytest
from PIL import Image
from playwright.sync_api import expect

from .graphs import CUP, CUP_LABELS, plain

DONE = "execution_success"
TIMES_4 = "difference \N{MULTIPLICATION SIGN}4"
RENDERERS = {"litegraph": False, "vue": True}  # by whether Vue draws the nodes
WIDE, TALL, SMALL = (520, 460), (380, 620), (210, 240)


@pytest.fixture(scope="module", params=RENDERERS)
def renderer(request, page_of_comfyui):
    page_of_comfyui.set("Comfy.VueNodes.Enabled", RENDERERS[request.param])
    return request.param


@pytest.fixture
def cup(frontend, renderer):
    """The viewer in a graph, with four apertures of a photograph and the photograph to compare."""
    frontend.load(CUP)
    assert frontend.run() == DONE
    return frontend.show_viewer(*WIDE)


@pytest.fixture(scope="module", params=[*RENDERERS, "app"])
def place(request, page_of_comfyui):
    page_of_comfyui.set("Comfy.VueNodes.Enabled", RENDERERS.get(request.param, False))
    return request.param


@pytest.fixture
def anywhere(frontend, place):
    """The same viewer, in App mode too."""
    frontend.load(CUP)
    if place == "app":
        frontend.load(as_app(frontend.serialized()), "cup.app")
    assert frontend.run() == DONE
    return frontend.viewer if place == "app" else frontend.show_viewer(*WIDE)


def as_app(workflow):
    app = {"linearMode": True, "linearData": {"inputs": [[5, "viewer"], [3, "values"]], "outputs": [5]}}
    return {**workflow, "extra": workflow["extra"] | app}


def center(locator):
    """The color (R,G,B) in the middle."""
    picture = Image.open(io.BytesIO(locator.screenshot())).convert("RGB")
    return picture.getpixel((picture.width // 2, picture.height // 2))


def test_slider_keys_and_wheel_scrub(anywhere, frontend, place):
    anywhere.expect("f/1.4", 1)
    frontend.shot(f"viewer-{place}")
    box = anywhere.slider.bounding_box()
    anywhere.slider.click(position={"x": box["width"] - 6, "y": box["height"] / 2})
    anywhere.expect("f/16", 4)
    expect(anywhere.slider).to_have_attribute("aria-valuetext", "f/16, 4 of 4")
    anywhere.stage.click()
    for key, number in (("Home", 1), ("ArrowRight", 2), ("ArrowRight", 3), ("ArrowLeft", 2), ("End", 4)):
        anywhere.press(key)
        anywhere.expect(CUP_LABELS[number - 1], number)
    anywhere.wheel(-2)
    anywhere.expect("f/2.8", 2)
    anywhere.wheel(9)
    anywhere.expect("f/16", 4)


def test_pictures_stand_side_by_side_and_are_subtracted(anywhere, frontend, place):
    anywhere.button("Side by side").click()
    anywhere.expect("f/1.4", 1, pictures=2)
    expect(anywhere.root.get_by_text("compare")).to_be_visible()
    frontend.shot(f"viewer-{place}-side-by-side")
    anywhere.button("Difference").click()
    anywhere.press("ArrowRight")
    anywhere.expect(f"f/2.8 · {TIMES_4}", 2, pictures=2)
    expect(anywhere.button("Difference")).to_have_attribute("aria-pressed", "true")
    frontend.shot(f"viewer-{place}-difference")
    anywhere.button("One picture").click()
    anywhere.expect("f/2.8", 2)


def test_plays_until_paused(anywhere, frontend):
    anywhere.stage.click()
    anywhere.press(" ")
    for label in ("f/2.8", "f/16", "f/1.4"):  # there and back
        expect(anywhere.label).to_have_text(label)
    anywhere.press(" ")
    expect(anywhere.button("Play")).to_be_visible()
    before = anywhere.label.text_content()
    frontend.page.wait_for_timeout(1000)
    assert anywhere.label.text_content() == before


def test_plays_slowly_where_motion_is_to_be_reduced(cup, frontend):
    frontend.page.emulate_media(reduced_motion="reduce")
    waited = cup.root.evaluate(
        """root => new Promise(resolve => {
            const [label, start] = [root.querySelector(".label"), performance.now()];
            new MutationObserver(() => resolve(performance.now() - start)).observe(label, { childList: true });
            root.querySelector(".play").click();
        })"""
    )
    frontend.page.emulate_media(reduced_motion="no-preference")
    cup.button("Pause").click()
    assert waited >= 990  # ms


def test_frame_and_mode_are_saved_with_the_workflow(anywhere, frontend, place):
    anywhere.button("Side by side").click()
    anywhere.press("End")
    anywhere.expect("f/16", 4, pictures=2)
    saved = frontend.serialized()
    assert [node["widgets_values"] for node in saved["nodes"] if node["type"] == "GenPhotoSweepViewer"] == [[]]
    frontend.open()
    frontend.load(saved, "cup.app" if place == "app" else "cup")
    anywhere.expect_empty()
    assert frontend.run() == DONE  # from ComfyUI's cache
    anywhere.expect("f/16", 4, pictures=2)


def test_undo_and_another_tab_leave_the_frames(anywhere, frontend):
    anywhere.button("Side by side").click()
    anywhere.press("End")
    frontend.page.evaluate(
        """async () => {
            const { changeTracker } = app.extensionManager.workflow.activeWorkflow;
            changeTracker.captureCanvasState();
            app.graph.getNodeById(3).title = "another";
            changeTracker.captureCanvasState();
            await changeTracker.undo();
        }"""
    )
    anywhere.expect("f/16", 4, pictures=2)
    frontend.load(CUP, "another", beside=True)
    anywhere.expect_empty()
    frontend.command("Workspace.PreviousOpenedWorkflow")
    anywhere.expect("f/16", 4, pictures=2)


def test_works_inside_a_subgraph(cup, frontend, renderer):
    frontend.into_subgraph("GenPhotoSweepViewer")
    assert frontend.run() == DONE
    inside = frontend.show_viewer()
    inside.stage.click()
    inside.press("End")
    inside.expect("f/16", 4)
    frontend.load(frontend.serialized(), "inside")
    assert frontend.run() == DONE
    frontend.into_subgraph()
    frontend.show_viewer().expect("f/16", 4)
    frontend.shot(f"viewer-{renderer}-in-a-subgraph")


def test_the_wheel_zooms_the_canvas_until_the_viewer_is_clicked(cup, frontend):
    def scale():
        return frontend.page.evaluate("() => app.canvas.ds.scale")

    before = scale()
    cup.wheel(1)
    frontend.page.wait_for_function("before => app.canvas.ds.scale !== before", arg=before)
    cup.expect("f/1.4", 1)
    cup.stage.click()
    before = scale()
    cup.wheel(1)
    cup.expect("f/2.8", 2)
    assert scale() == before


@pytest.mark.parametrize("size", [TALL, SMALL], ids=["tall", "small"])
def test_nothing_is_cut_off_at_other_sizes(cup, frontend, renderer, size):
    cup.button("Side by side").click()
    frontend.show_viewer(*size)
    cup.expect("f/1.4", 1, pictures=2)
    frontend.shot(f"viewer-{renderer}-{size[0]}x{size[1]}")
    outer = cup.root.bounding_box()
    parts = [*cup.root.get_by_role("button").all(), cup.slider, cup.label, *cup.pictures.all()]
    for part in parts:
        box = part.bounding_box()
        assert box["width"] > 8
        assert outer["x"] <= box["x"]
        assert box["x"] + box["width"] <= outer["x"] + outer["width"]
        assert box["y"] + box["height"] <= outer["y"] + outer["height"]


def test_the_difference_is_four_times_the_difference(frontend, renderer):
    frontend.load(plain(0x404040, 0x302838, compare=0x302020))
    assert frontend.run() == DONE
    viewer = frontend.show_viewer()
    viewer.expect("frame 1", 1)
    assert center(viewer.stage) == pytest.approx((0x40, 0x40, 0x40), abs=1)
    viewer.button("Difference").click()
    viewer.expect(f"frame 1 · {TIMES_4}", 1, pictures=2)
    assert center(viewer.stage) == pytest.approx((0x40, 0x80, 0x80), abs=4)
    viewer.press("End")
    viewer.expect(f"frame 2 · {TIMES_4}", 2, pictures=2)
    assert center(viewer.stage) == pytest.approx((0, 0x20, 0x60), abs=4)


def test_frames_in_4k_change_nothing_but_the_picture(frontend, renderer):
    frontend.load(plain(0x202020, 0x808080, width=3840, height=2160))
    viewer = frontend.show_viewer(*WIDE)
    before = viewer.stage.bounding_box()
    assert frontend.run() == DONE
    expect(viewer.pictures).to_have_js_property("naturalWidth", 3840)
    viewer.expect("frame 1", 1)
    viewer.stage.click()
    viewer.press("End")
    viewer.expect("frame 2", 2)
    assert viewer.stage.bounding_box() == before


def test_a_lost_file_is_said(frontend, renderer):
    frontend.load(plain(0x123456))
    viewer = frontend.show_viewer()
    frontend.page.route("**/view?*", lambda route: route.abort())
    assert frontend.run() == DONE
    expect(viewer.root.get_by_text("no longer on the server")).to_be_visible()
    frontend.page.unroute("**/view?*")
    assert frontend.run() == DONE
    viewer.expect("frame 1", 1)


def test_the_sockets_have_their_colors(frontend, renderer):
    def known():
        """The colors of both sockets, as each of the three places has them."""
        frontend.page.wait_for_timeout(500)
        return frontend.page.evaluate(
            """() => ["GENPHOTO_SWEEP", "GENPHOTO_CAMERA"].map(type => [
                app.canvas.default_connection_color_byType[type],
                LGraphCanvas.link_type_colors[type],
                getComputedStyle(document.documentElement).getPropertyValue(`--color-datatype-${type}`),
            ])"""
        )

    frontend.load(CUP)
    before = known()
    assert [len(set(colors)) for colors in before] == [1, 1]
    assert before[0] != before[1]
    for palette in ("light", "dark"):
        frontend.set("Comfy.ColorPalette", palette)
        assert known() == before
