"""The page of a study in a real browser: all cells to compare, and the way to each one's own page."""

import json
import re
from dataclasses import replace

import pytest
from browser import chromium
from conftest import smooth_noise
from kept import kept
from PIL import Image

from render.files import digest
from render.media.stills import encode_png
from render.places import store_folder
from render.report.cells import CellsPage
from render.spec.study import expand_study
from render.store import Store
from render.study import run


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def job(images_job, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    Image.fromarray(smooth_noise(64, 48, 5)).save(folder / "one.png")
    return images_job(folder, "study={style.weight: [2, 9]}")


def test_it_shows_every_cell_and_leads_to_its_own_page(cluster, browser, job):
    run(job)
    page = job.output.path / "report.html"
    browser.get_log("browser")
    browser.get(page.as_uri())
    assert browser.get_log("browser") == []
    assert browser.find_element("css selector", ".status").text == "finished"
    pairs = browser.find_elements("css selector", ".pair figcaption")
    assert [pair.get_attribute("textContent").split("original")[0] for pair in pairs] == [
        "style.weight 2",
        "style.weight 9",
    ]
    cells = browser.find_elements("css selector", ".wide figcaption")
    assert all("6 evaluations, content " in cell.text for cell in cells)
    widths = browser.execute_script("return [...document.images].map(image => image.naturalWidth)")
    assert min(widths) > 0
    assert 'http-equiv="refresh"' not in page.read_text()
    browser.find_elements("css selector", ".wide a")[1].click()
    assert "style.weight-9" in browser.current_url
    assert browser.find_element("css selector", ".kicker").text.endswith("finished")


def test_a_cell_that_is_painted_anew_is_shown_anew(cluster, job):
    """Though the page keeps pictures from one writing to the next."""
    run(job)
    path = job.output.path / "report.html"
    cells = expand_study(job)
    page = CellsPage(job.output.path, [(cell.label, store_folder(cell.job)) for cell in cells])
    page.finish()
    before = path.read_text()
    with Store(cells[0].job) as store:
        png = encode_png(smooth_noise(64, 48, 9))
        record = replace(store.records[0], sha256=digest(png))
        (cells[0].job.output.path / record.file).write_bytes(png)
        store.record([record])
    page.finish()
    old, new = (set(re.findall(r'src="(data:[^"]+)"', text)) for text in (before, path.read_text()))
    assert len(new - old) == len(old - new) == 1  # so small a picture is the same large


def test_while_it_runs_it_shows_what_there_is_and_loads_itself_again(job, tmp_path):
    cells = [(cell.label, store_folder(cell.job)) for cell in expand_study(job)]
    CellsPage(job.output.path, cells).update()
    text = (job.output.path / "report.html").read_text()
    assert "No cell is finished yet." in text
    assert text.count("not finished yet") == 2
    assert 'http-equiv="refresh"' in text
    assert "rendering" in text


def test_the_way_to_a_cell_whose_name_is_in_no_encoding(images_job, tmp_path):
    job = kept(images_job, tmp_path, "a.png")
    (store_folder(job) / "report.html").touch()
    moved = job.output.path.rename(tmp_path / "caf\udce9")
    CellsPage(tmp_path, [("one", moved / ".render")]).finish()
    assert 'href="caf%E9/.render/report.html"' in (tmp_path / "report.html").read_text()


def test_while_cells_are_finished_in_quick_order_it_is_written_now_and_then(job, monkeypatch):
    written = []
    monkeypatch.setattr(CellsPage, "_page", lambda _, live: written.append(live) or "")
    page = CellsPage(job.output.path, [])
    for _ in range(200):
        page.update()
    assert written == [True]
    page.finish()
    assert written == [True, False]


def test_a_page_that_cannot_be_written_ends_no_study(job, caplog):
    job.output.path.parent.mkdir(exist_ok=True)
    job.output.path.write_text("a file, where a folder should be")
    CellsPage(job.output.path, []).finish()
    assert "the report of the study cannot be written" in caplog.text


def test_hostile_labels_are_shown_and_do_nothing(tmp_path):
    CellsPage(tmp_path, [("<script>alert(1)</script>", tmp_path / "none")]).finish()
    text = (tmp_path / "report.html").read_text()
    assert "<script>alert" not in text
    assert json.dumps("&lt;script&gt;alert(1)&lt;/script&gt;")[1:-1] in text
