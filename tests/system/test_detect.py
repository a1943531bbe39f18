"""Generated streams of one street, by day and by night: every fault opens its rule's case and no other, and what is good
opens none. The whole table, with twenty scenes, is tests/bench/detect."""
import importlib.machinery
import importlib.util

import pytest
from conftest import HUB, ROOT

loader = importlib.machinery.SourceFileLoader("detect", str(ROOT / "tests" / "bench" / "detect"))
detect = importlib.util.module_from_spec(importlib.util.spec_from_loader("detect", loader))
loader.exec_module(detect)
scenes = detect.scenes

JUDGE = HUB.parent / "judge"


@pytest.fixture(scope="module")
def outcomes():
    """What came of each scenario: (set, what): [(minutes until it was detected or None, recovered, false cases)]"""
    chosen = [s for s in scenes.scenes() if (s.kind, s.seed) == ("houses", 1)]
    out = ROOT / "build" / "clips" / f"scenes-{scenes.EDITION}"
    scenes.make_all(out, chosen, ("normal", "later", *scenes.FAULTS))
    scenes.make_all(out, chosen[:1], scenes.GOOD)
    play = detect.Play(out, JUDGE, ROOT / "rules")
    for scene in chosen:
        for fault in detect.FAULTS:
            play.fault(scene, fault)
    for what in detect.GOOD:
        play.good(chosen[0], what)
    play.days(*chosen, ptz=False)
    play.days(*chosen, ptz=True)
    found = {}
    for result in play.run():
        scene, what, _ = about = play.about[result["camera"]]
        assert result["looks"][1] > 0, f"{what}: nobody looked"
        found[scenes.SETS[scene.night], what] = detect.judge_one(result, about)
    return found


@pytest.mark.parametrize("which", scenes.SETS)
@pytest.mark.parametrize("fault", detect.FAULTS)
def test_a_fault_opens_its_case_and_no_other(outcomes, fault, which):
    after, recovered, false = outcomes[which, fault]
    assert after is not None, "missed"
    assert false == []
    assert recovered or fault == "clock jumps", "stays open"  # that is a matter of half a day


@pytest.mark.parametrize("what", (*detect.GOOD, "day and night, 3 days", "a dome that turns, 3 days"))
def test_what_is_good_opens_none(outcomes, what):
    assert outcomes["day", what][2] == []
