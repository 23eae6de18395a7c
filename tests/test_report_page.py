"""The report in a real browser: complete in itself, usable by keyboard, safe with hostile names."""

import hashlib
import json

import pytest
from browser import chromium
from conftest import smooth_noise
from kept import kept
from PIL import Image

from render.errors import OutputError
from render.farm.events import FrameRetried
from render.farm.log import logged
from render.inputs import prepare
from render.ledger import Record
from render.media.stills import encode_png
from render.planner import plan_units
from render.report.charts import line_chart, number, ticks, timeline
from render.report.facts import read_facts
from render.report.live import LiveReport
from render.report.page import write_report
from render.report.pictures import spread
from render.store import Store

HOSTILE = "a\"><img src=x onerror=alert(1)>&'.png"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def output(images_job, tmp_path):
    """An output of three pictures, one of which failed, all with names that attack the page."""
    folder = tmp_path / "in"
    folder.mkdir()
    for frame in range(3):
        picture = Image.fromarray(smooth_noise(96, 64, frame))
        picture.save(folder / f"{frame}{HOSTILE}", "png")
    job = images_job(folder)
    with Store(job) as store:
        prepared = prepare(job)
        store.keep_plan(plan_units(job, prepared.source, prepared.fingerprints()))
        for frame in range(2):
            info = {
                "worker": "<script>alert(2)</script>",
                "seconds": 1.5,
                "evaluations": 6,
                "loss": {"</style><b>content": 0.5 + frame, "style": 0.2},
                "trace": [[1, 9.0], [6, 0.7]],
                "at": 1000.0 + 2 * frame,
            }
            png = encode_png(smooth_noise(96, 64, 7 + frame))
            name = prepared.source.name(frame)
            (job.output.path / name).write_bytes(png)
            store.record([Record(frame, name, hashlib.sha256(png).hexdigest(), info)])
        retried = FrameRetried(1, 1, f"<script>alert(4)</script> {HOSTILE}")
        logged(lambda _: None, store.folder / "log.jsonl")(retried)
        store.notes.write_summary(
            {
                "status": "incomplete",
                "seconds": 4.0,
                "frames_failed": [{"frame": 2, "reason": f"<script>alert(3)</script> {HOSTILE}"}],
            }
        )
    return job.output.path


def opened(browser, path, width=1200):
    """The page, with what the browser complained about and fetched."""
    browser.get_log("browser"), browser.get_log("performance")
    browser.set_window_size(width, 900)
    browser.get(path.as_uri())
    complaints = browser.get_log("browser")
    sent = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    # A browser just started may still be loading its own first tab, which is not the page.
    urls = [
        each["params"]["request"]["url"]
        for each in sent
        if each["method"] == "Network.requestWillBeSent"
        and not each["params"]["documentURL"].startswith("chrome")
    ]
    fetched = [url for url in urls if not url.startswith("data:") and url != path.as_uri()]
    return complaints, fetched


def test_it_opens_without_errors_and_fetches_nothing(browser, output):
    complaints, fetched = opened(browser, write_report(output))
    assert complaints == []
    assert fetched == []


def test_hostile_names_are_shown_and_do_nothing(browser, output):
    from selenium.common.exceptions import NoAlertPresentException

    opened(browser, write_report(output))
    with pytest.raises(NoAlertPresentException):
        _ = browser.switch_to.alert
    assert browser.find_element("css selector", ".pair figcaption").text.startswith("0" + HOSTILE)
    assert f"<script>alert(3)</script> {HOSTILE}" in browser.find_element("tag name", "body").text
    assert "<script>alert(4)</script>" in browser.find_element("tag name", "body").text
    assert len(browser.find_elements("tag name", "script")) == 1
    assert browser.find_elements("css selector", "[onerror]") == []


def test_every_picture_in_it_is_whole(browser, output):
    opened(browser, write_report(output))
    widths = browser.execute_script("return [...document.images].map(image => image.naturalWidth)")
    assert len(widths) >= 6
    assert min(widths) > 0


def test_the_slider_moves_by_keyboard_and_shows_more_of_the_original(browser, output):
    from selenium.webdriver.common.keys import Keys

    opened(browser, write_report(output))
    slider = browser.find_element("css selector", ".pair:not([hidden]) input")
    edge = browser.find_element("css selector", ".pair:not([hidden]) .edge")
    slider.send_keys(Keys.HOME)
    left = edge.rect["x"]
    slider.send_keys(Keys.END)
    assert edge.rect["x"] - left == pytest.approx(slider.rect["width"], abs=4)
    clip = "return getComputedStyle(document.querySelector('.before')).clipPath"
    assert browser.execute_script(clip) in (
        "inset(0px)",
        "inset(0px 0% 0px 0px)",
        "inset(0px calc(0%) 0px 0px)",
    )


def test_another_picture_is_chosen_by_keyboard(browser, output):
    from selenium.webdriver.common.keys import Keys

    opened(browser, write_report(output))
    browser.find_elements("css selector", ".strip button")[1].send_keys(Keys.ENTER)
    shown = browser.find_elements("css selector", ".pair:not([hidden])")
    assert [figure.get_attribute("data-frame") for figure in shown] == ["1"]


def test_on_a_phone_nothing_is_wider_than_the_screen(browser, output):
    opened(browser, write_report(output), width=500)
    wide, screen = browser.execute_script(
        "return [document.documentElement.scrollWidth, innerWidth]"
    )
    assert wide <= screen


def test_dark_is_dark(browser, output):
    shades = []
    for scheme in ("light", "dark"):
        browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
        )
        opened(browser, write_report(output))
        colour = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        shades.append(sum(map(int, colour.removeprefix("rgb(").removesuffix(")").split(","))))
    assert shades[0] > 700
    assert shades[1] < 100


def test_a_live_page_loads_itself_again_and_a_finished_one_does_not(output):
    assert 'http-equiv="refresh"' in write_report(output, live=True).read_text()
    assert 'http-equiv="refresh"' not in write_report(output).read_text()


def test_without_its_source_it_still_shows_the_results(output, tmp_path):
    for path in (tmp_path / "in").iterdir():
        path.unlink()
    text = write_report(output).read_text()
    assert 'class="after"' in text
    assert 'class="before"' not in text


def test_a_ledger_that_names_files_elsewhere_shows_none_of_them(output, tmp_path):
    Image.fromarray(smooth_noise(20, 20, 1)).save(tmp_path / "private.png")
    path = output / ".render/ledger/frames.jsonl"
    line = json.loads(path.read_text().splitlines()[0])
    before = len(read_facts(output).frames)
    rubbish = json.dumps({**line, "file": "../private.png", "frame": 2})
    path.write_bytes(path.read_bytes() + rubbish.encode() + b"\n\xff\n")
    assert len(read_facts(output).frames) == before == 2


def test_a_report_that_cannot_be_made_is_no_reason_to_end_a_run(output, caplog):
    LiveReport(output / ".render", None).update()
    (output / f"1{HOSTILE}").write_bytes(b"torn")
    LiveReport(output / ".render", None).finish()
    assert "the report cannot be written" in caplog.text
    assert not (output / ".render/report.html").exists()


def test_names_in_no_encoding_are_shown_as_their_bytes(images_job, tmp_path):
    job = kept(images_job, tmp_path, "caf\udce9.png")
    assert r"caf\udce9.png" in write_report(job.output.path).read_text()


def test_a_folder_without_a_job_is_refused(tmp_path):
    with pytest.raises(OutputError, match="no output of render"):
        write_report(tmp_path)


def test_pictures_are_chosen_evenly_with_both_ends():
    assert spread(range(100), 4) == [0, 33, 66, 99]
    assert spread([3, 5], 4) == [3, 5]
    assert spread([], 4) == []


def test_charts_leave_out_what_is_no_number_and_draw_nothing_of_nothing():
    assert line_chart({"a": []}, "label", "x") == ""
    assert timeline({}, "label") == ""
    drawing = line_chart({"a": [(0, 1.0), (1, float("nan")), (2, 3.0)]}, "label", "x")
    assert drawing.count(",") == 2
    assert "nan" not in drawing


def test_axes_are_labelled_with_few_round_values():
    assert ticks(0, 0.62) == pytest.approx([0, 0.2, 0.4, 0.6])
    assert ticks(3e-6, 2e-3, logarithmic=True) == pytest.approx([1e-5, 1e-4, 1e-3])
    assert ticks(0.9, 1.15, logarithmic=True) == pytest.approx([0.9, 0.95, 1, 1.05, 1.1, 1.15])
    assert [number(value) for value in (0, 0.05, 2e-4, 300, 1e-5)] == [
        "0", "0.05", "2e-4", "300", "1e-5",
    ]  # fmt: skip


def test_a_pause_between_two_runs_does_not_squeeze_the_work():
    day = 86400.0
    drawing = timeline({"one": [(0, 10, "a"), (10, 20, "b"), (day, day + 10, "c")]}, "label")
    assert drawing.count("<rect") == 3
    assert "a pause" in drawing
    assert "31.5 s" in drawing


def test_the_work_of_all_stages_of_a_frame_is_counted(output, images_job, tmp_path):
    with Store(images_job(tmp_path / "in")) as store:
        info = {"worker": "w", "seconds": 2.0, "evaluations": 40, "trace": [[1, 20.0]], "at": 999.0}
        store.commit(0, "stages/000000.0.png", b"", info, stage=0)
    facts = read_facts(output)
    assert [step["evaluations"] for step in facts.steps(0)] == [40, 6]
    text = write_report(output).read_text()
    assert "<dd>52</dd>" in text
    assert "evaluation 46" in text


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("summary.json", '{"frames_failed": [1]}', r"summary\.json: frames_failed\.0: "),
        ("summary.json", '{"seconds": "x"}', r"summary\.json: seconds: .*number"),
        ("metrics.json", '{"per_frame": [{"frame": 0}]}', r"metrics\.json: per_frame\.0\.back: "),
        ("plan.json", "[1]", r"plan\.json is damaged"),
    ],
)
def test_notes_that_are_not_as_they_were_written_are_named(output, name, text, said):
    (output / ".render" / name).write_text(text)
    with pytest.raises(OutputError, match=said):
        write_report(output)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seconds", "x"), ("seconds", 10**40), ("evaluations", None), ("evaluations", 10**40),
        ("at", 1.7e308), ("worker", []), ("at", {}),
        ("loss", [1]), ("loss", {"style": "x"}), ("trace", [[1]]), ("warping", 1),
    ],
)  # fmt: skip
def test_lines_of_the_ledger_that_are_not_as_they_were_written_are_named(output, key, value):
    path = output / ".render/ledger/frames.jsonl"
    first, *others = path.read_text().splitlines()
    line = json.loads(first)
    line["info"][key] = value
    path.write_text("\n".join([json.dumps(line), *others, ""]))
    with pytest.raises(OutputError, match=rf"frames\.jsonl: frame 0: {key}"):
        write_report(output)


@pytest.mark.parametrize("text", ["[1]", "[" * 100_000, "torn {", "\x00"])
@pytest.mark.parametrize("name", ["summary.json", "versions.json", "metrics.json", "log.jsonl"])
def test_a_report_goes_without_notes_that_are_no_longer_any(output, name, text):
    (output / ".render" / name).write_text(text)
    assert 'class="after"' in write_report(output).read_text()


def test_lines_of_the_log_that_it_did_not_write_are_left_out(output):
    with (output / ".render/log.jsonl").open("ab") as file:
        file.write(b'[1]\n{"event": "WorkerLost"}\n{"at": 1, "event": "WorkerLost"}\n\xff\n')
    assert len(read_facts(output).mended) == 1


def test_whatever_numbers_are_in_the_ledger_there_is_a_report(output):
    path = output / ".render/ledger/frames.jsonl"
    first, *others = path.read_text().splitlines()
    big, line = 1.7e308, json.loads(first)
    line["info"] |= {"loss": {"style": -big, "content": 10**4}}
    line["info"]["trace"] = [[float("nan"), big], [-big, 5e-324], [big, float("inf")]]
    line["info"]["warping"] = {"error": float("nan"), "floor": big}
    path.write_text("\n".join([json.dumps(line), *others, ""]))
    write_report(output)
