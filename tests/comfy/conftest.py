"""The tests of this folder run inside a real ComfyUI, started once.

ComfyUI has its own interpreter. Where ours cannot run it, one inner pytest runs the selected tests in ComfyUI's, and
each test's own report is repeated here. Without a ComfyUI every test is skipped, and its reason says how to get one;
but if COMFYUI_PATH or COMFYUI_PYTHON names one that cannot run, that is an error. Test modules in this folder import
comfy only inside functions.
"""

import json
import os
from pathlib import Path

import pytest

from tools.checkout import Checkout, find

from .inner_run import REPORTS, find_or_reason, run_tests

HERE = Path(__file__).parent
PACK = HERE.parent.parent
ELSEWHERE = pytest.StashKey[Checkout]()  # the ComfyUI whose own interpreter has to run these tests
RESULTS = pytest.StashKey[tuple[dict[str, list[dict]], str]]()


@pytest.fixture(scope="session")
def comfy(tmp_path_factory):
    """A running ComfyUI with this pack loaded by ComfyUI's own loader; see host.Comfy."""
    from .host import start

    return start(find(PACK).path, PACK, tmp_path_factory.mktemp("comfyui"))


def pytest_collection_modifyitems(config, items):
    mine = [item for item in items if _is_mine(item)]
    if not mine or REPORTS in os.environ:
        return
    found = find_or_reason(PACK)
    if isinstance(found, str):
        for item in mine:
            item.add_marker(pytest.mark.skip(reason=found))
    elif not found.is_ours:
        config.stash[ELSEWHERE] = found


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item):
    """Repeats the inner run's reports of a test in place of running it."""
    config = item.config
    if ELSEWHERE not in config.stash or not _is_mine(item):
        return None
    if RESULTS not in config.stash:
        node_ids = [other.nodeid for other in item.session.items if _is_mine(other)]
        config.stash[RESULTS] = run_tests(config.stash[ELSEWHERE], node_ids, config.rootpath)
    reports, printed = config.stash[RESULTS]
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for data in reports.get(item.nodeid) or [_never_ran(item, config.stash[ELSEWHERE], printed)]:
        report = config.hook.pytest_report_from_serializable(config=config, data=data)
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item):
    """In the inner run: passes every report on."""
    report = yield
    if REPORTS in os.environ and _is_mine(item):
        data = item.config.hook.pytest_report_to_serializable(config=item.config, report=report)
        with open(os.environ[REPORTS], "a", encoding="utf-8") as file:
            file.write(json.dumps(data) + "\n")
    return report


def _is_mine(item) -> bool:
    return HERE in item.path.parents


def _never_ran(item, checkout: Checkout, printed: str) -> dict:
    """The report of a test that the inner run did not reach, because it could not collect it or died before it."""
    why = f"{checkout.python} did not run this test in {checkout.path}; its pytest printed:\n{printed[-6000:]}"
    report = pytest.TestReport(item.nodeid, item.location, {}, "failed", why, "setup")
    return item.config.hook.pytest_report_to_serializable(config=item.config, report=report)
