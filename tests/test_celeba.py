"""CelebA's partition and attributes, and splits with and without them."""

import os
import zipfile

import numpy as np
import pytest

from keras_flows import pictures
from keras_flows.data import safe_reading
from tests.images import in_time

PARTITION = {
    "list_eval_partition.txt": "1.jpg 0\n2.jpg 1\n3.jpg 2\n",
    "list_eval_partition.csv": "image_id,partition\n1.jpg,0\r\n2.jpg,1\r\n3.jpg,2\r\n",
}
ATTRIBUTES = {
    "list_attr_celeba.txt": "2\nBald Young \n1.jpg -1  1\n2.jpg  1 -1\n",
    "list_attr_celeba.csv": "image_id,Bald,Young\n1.jpg,-1,1\n2.jpg,1,-1\n",
}


def named(names):
    return pictures.Pictures(np.zeros((len(names), 1, 1, 3), "uint8"), list(names), {})


def numbered(n, end="png"):
    return named([f"{i:04}.{end}" for i in range(n)])


def names_of(faces, part):
    return {faces.names[i] for i in part}


@pytest.mark.parametrize("name", PARTITION)
@pytest.mark.parametrize("place", ["folder", "parent", "zip", "beside zip"])
def test_the_partition_is_found(tmp_path, name, place):
    path = tmp_path / "img.zip" if "zip" in place else tmp_path / "img"
    if "zip" in place:
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("celeba/" + (name if place == "zip" else "x.txt"), PARTITION[name])
    else:
        path.mkdir()
    if place != "zip":
        (path / name if place == "folder" else tmp_path / name).write_text(PARTITION[name])
    assert pictures.partition(path) == {"1.jpg": 0, "2.jpg": 1, "3.jpg": 2}


def test_the_partition_may_be_missing(tmp_path):
    assert pictures.partition(tmp_path) is None


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_attributes_are_keyed_by_stem(tmp_path, name):
    (tmp_path / name).write_text(ATTRIBUTES[name])
    names, signs = pictures.attributes(tmp_path)
    assert names == ["Bald", "Young"] and signs.keys() == {"1", "2"}
    assert signs["1"].dtype == np.int8 and signs["1"].tolist() == [-1, 1] == (-signs["2"]).tolist()


def test_missing_attributes_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="list_attr_celeba.txt"):
        pictures.attributes(tmp_path)


@pytest.mark.parametrize(
    "name, text, line",
    [
        ("list_eval_partition.txt", "1.jpg 0\n2.jpg 3\n", "line 2. Received: '2.jpg 3'"),
        ("list_eval_partition.txt", "1.jpg 0\n\n2.jpg\n", "line 3"),
        ("list_eval_partition.csv", "name,partition\n1.jpg,0\n", "line 1"),
        ("list_eval_partition.csv", "", "cut short"),
        ("list_attr_celeba.txt", "two\nBald\n1.jpg 1\n", "line 1"),
        ("list_attr_celeba.txt", "2\nBald\n1.jpg 1\n2.jpg 1 1\n", "line 4"),
        ("list_attr_celeba.txt", "2\nBald\n1.jpg 1\n2.jpg 0\n", "line 4"),
        ("list_attr_celeba.txt", "3\nBald\n1.jpg 1\n2.jpg 1\n", "2 of 3 rows"),
        ("list_attr_celeba.csv", "Bald\n1.jpg,1\n", "line 1"),
        ("list_attr_celeba.csv", "image_id,Bald\n1.jpg 1\n", "line 2"),
    ],
)
def test_malformed_lines_are_named(tmp_path, name, text, line):
    (tmp_path / name).write_text(text)
    read = pictures.partition if "partition" in name else pictures.attributes
    with pytest.raises(ValueError, match=f"{name} is .*{line}"):
        read(tmp_path)


@pytest.mark.parametrize("as_zip", [False, True])
def test_text_files_that_are_too_large_are_refused(tmp_path, monkeypatch, as_zip):
    text, path = ATTRIBUTES["list_attr_celeba.txt"], tmp_path
    if as_zip:
        path = tmp_path / "a.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("list_attr_celeba.txt", text + 10**5 * "\n")
    else:
        (path / "list_attr_celeba.txt").write_text(text + 10**5 * "\n")
    assert pictures.attributes(path)[0] == ["Bald", "Young"]
    monkeypatch.setattr(safe_reading, "TEXT_BYTES", 10**4)
    with pytest.raises(ValueError, match="list_attr_celeba.txt is too large: no more than 10,000"):
        pictures.attributes(path)


def test_pipes_are_refused(tmp_path):
    os.mkfifo(tmp_path / "list_attr_celeba.txt")
    with pytest.raises(FileNotFoundError, match="There is no list_attr_celeba.txt"):
        in_time(pictures.attributes, tmp_path)
    with pytest.raises(ValueError, match="list_attr_celeba.txt is a .*pipe"):
        in_time(pictures.attributes, tmp_path / "list_attr_celeba.txt")


@pytest.mark.parametrize("end", ["jpg", "webp"])
def test_the_official_split_matches_names_by_their_stems(tmp_path, end):
    (tmp_path / "list_eval_partition.txt").write_text(PARTITION["list_eval_partition.txt"])
    faces = named([f"img/{i}.{end}" for i in (3, 4, 1, 2)])
    train, validation, test = pictures.split(faces, tmp_path, holdout=9)
    assert [train.tolist(), validation.tolist(), test.tolist()] == [[1, 2], [3], [0]]


def test_a_split_by_hash_is_disjoint_and_sorted(tmp_path):
    parts = pictures.split(numbered(100), tmp_path, holdout=10)
    assert [len(part) for part in parts] == [80, 10, 10]
    assert sorted(np.concatenate(parts)) == list(range(100))
    assert all((np.diff(part) > 0).all() and part.dtype.kind == "i" for part in parts)


def test_a_split_by_hash_does_not_depend_on_order_or_folder(tmp_path):
    faces = numbered(100)
    moved = named(["deep/" + name for name in reversed(faces.names)])
    for a, b in zip(pictures.split(faces, tmp_path, 10), pictures.split(moved, tmp_path, 10)):
        assert {"deep/" + name for name in names_of(faces, a)} == names_of(moved, b)


def test_adding_pictures_turns_no_training_picture_into_a_test_picture(tmp_path):
    few, many = numbered(100), numbered(130)
    before = [names_of(few, part) for part in pictures.split(few, tmp_path, 10)]
    after = [names_of(many, part) for part in pictures.split(many, tmp_path, 10)]
    assert before[0] <= after[0] and not before[1] & after[2] and not before[2] & after[1]
    assert before[2] & after[2]


def test_a_split_without_training_pictures_is_refused(tmp_path):
    assert [len(part) for part in pictures.split(numbered(5), tmp_path, 0)] == [5, 0, 0]
    for holdout in (2, 3, 9):
        with pytest.raises(ValueError, match=f"left to train on.*4 pictures, holdout={holdout}"):
            pictures.split(numbered(4), tmp_path, holdout)
    with pytest.raises(ValueError, match="Received: holdout=-1"):
        pictures.split(numbered(4), tmp_path, -1)
    (tmp_path / "list_eval_partition.txt").write_text("0000.jpg 2\n0001.jpg 2\n")
    with pytest.raises(ValueError, match="CelebA's partition"):
        pictures.split(numbered(2), tmp_path, 0)
