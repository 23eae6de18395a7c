"""Names of finished pictures: none takes another's place, and none leaves its folder."""

import pytest
from PIL import Image

from render.errors import OutputError
from render.media.images import open_images as find_images
from render.media.names import check_output_names, output_name
from render.spec.media import ImagesInput, Output


def open_images(path, **keys):
    return find_images(ImagesInput(kind="images", path=str(path), **keys))


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "in"
    for name in ("b10.png", "b9.jpg", "sub/c.png", "sub/b9.jpg"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (30, 20)).save(path)
    return root


def names(source, output):
    return [str(output_name(source, frame, output)) for frame in source.frames]


def test_results_do_not_become_inputs_of_the_next_run(folder):
    painted = Output(path=folder, name="{stem}_painted", format="png")
    with pytest.raises(OutputError, match="be one of them the next time"):
        check_output_names(open_images(folder), painted)
    check_output_names(open_images(folder, pattern="*.jpg"), painted)
    check_output_names(open_images(folder / "b9.jpg"), painted)


def test_output_names_follow_the_input_or_the_template(folder, tmp_path):
    source = open_images(folder, pattern="**/*")
    out = str(tmp_path / "out")
    assert names(source, Output(path=out)) == ["b9.jpg", "b10.png", "sub/b9.jpg", "sub/c.png"]
    numbered = Output(path=out, name="{index:04}-{stem}", format="webp")
    assert names(source, numbered)[2:] == ["0002-b9.webp", "0003-c.webp"]
    check_output_names(source, Output(path=out))


def test_two_inputs_never_share_a_name(folder, tmp_path):
    source = open_images(folder, pattern="**/*")
    with pytest.raises(OutputError, match=r"b9\.jpg and sub/b9\.jpg would both .* b9\.jpg"):
        check_output_names(source, Output(path=str(tmp_path / "out"), name="{stem}"))
    Image.new("RGB", (4, 4)).save(folder / "B9.png")
    alike = open_images(folder)
    check_output_names(alike, Output(path=str(tmp_path / "out")))
    with pytest.raises(OutputError, match="would both be written"):
        check_output_names(alike, Output(path=str(tmp_path / "out"), format="png"))


def test_an_input_is_never_overwritten(folder, tmp_path):
    source = open_images(folder)
    with pytest.raises(OutputError, match="overwrite an input"):
        check_output_names(source, Output(path=str(folder)))
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(OutputError, match="overwrite an input"):
        check_output_names(source, Output(path=str(tmp_path / "link")))


def test_nor_is_another_file_that_the_job_names(folder, tmp_path):
    source, styles = open_images(folder), tmp_path / "styles"
    styles.mkdir()
    Image.new("RGB", (30, 20)).save(styles / "b10.png")
    (tmp_path / "link").symlink_to(styles)
    named = [("style.images.0.path", tmp_path / "link" / "b10.png")]
    with pytest.raises(OutputError, match=r"b10\.png: .* an input \(style\.images\.0\.path\)"):
        check_output_names(source, Output(path=styles), named)
    check_output_names(source, Output(path=styles, name="{stem}_painted"), named)


@pytest.mark.parametrize(
    "template", ["../{stem}", "/tmp/{stem}", "a/../../{stem}", "{parent}/../{stem}"]
)
def test_names_never_leave_the_output_folder(folder, tmp_path, template):
    source = open_images(folder)
    with pytest.raises(OutputError, match="leave the output folder"):
        check_output_names(source, Output(path=str(tmp_path / "out"), name=template))


def test_a_link_out_of_the_output_folder_is_not_followed(folder, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "sub").symlink_to(tmp_path / "elsewhere")
    source = open_images(folder, pattern="**/*")
    with pytest.raises(OutputError, match="link"):
        check_output_names(source, Output(path=str(tmp_path / "out")))


@pytest.mark.parametrize("template", ["{what}", "{0}", "{stem", "{stem.__class__}", "{index:x9q}"])
def test_a_faulty_template_is_explained(folder, tmp_path, template):
    source = open_images(folder)
    with pytest.raises(OutputError, match=r"output\.name"):
        output_name(source, 0, Output(path=str(tmp_path / "out"), name=template))


def test_listed_pictures_from_elsewhere_keep_inside_the_output(folder, tmp_path):
    (tmp_path / "list").mkdir()
    listed = tmp_path / "list" / "mine.txt"
    listed.write_text(f"{folder / 'b9.jpg'}\n../in/sub/c.png\n")
    source = open_images(listed)
    assert names(source, Output(path=str(tmp_path / "out"))) == ["b9.jpg", "c.png"]
    check_output_names(source, Output(path=str(tmp_path / "out")))
