"""Which files of an app folder are its manifests."""

import pytest

from procession.manifest.files import manifests_not_read

MANIFEST = "namespace: b\nentries: [{name: h, kind: process.host}]\n"


@pytest.fixture
def shop(app):
    """An app with a manifest of its own."""
    app.declare("- {name: h, kind: process.host}")
    return app


@pytest.mark.parametrize("folder", ["venv", "env-of-mine", ".venv", "a/b/venv"])
def test_a_virtual_environment_is_no_part_of_the_app_whatever_its_name(shop, folder):
    shop.write(f"{folder}/pyvenv.cfg")
    shop.write(f"{folder}/lib/python3/site-packages/x/_index.yaml", MANIFEST)
    assert list(shop.load().entries) == ["app:h"]
    (found,) = manifests_not_read(shop.root)
    assert (found.folder, found.reason) == (shop.root / folder, "is a virtual environment")
    assert [file.parent.name for file in found.manifests] == ["x"]


def test_an_environment_made_of_the_app_folder_itself_keeps_the_app(shop):
    shop.write("pyvenv.cfg")
    shop.write("lib/python3/site-packages/x/_index.yaml", MANIFEST)
    assert list(shop.load().entries) == ["app:h"]
    (found,) = manifests_not_read(shop.root)
    assert found.folder == shop.root / "lib/python3/site-packages"


@pytest.mark.parametrize("folder", ["node_modules", "a/node_modules/b", "site-packages", ".cache"])
def test_what_others_have_installed_or_hidden_is_no_part_of_the_app(shop, folder):
    shop.write(f"{folder}/_index.yaml", MANIFEST)
    assert list(shop.load().entries) == ["app:h"]
    assert len(manifests_not_read(shop.root)) == 1


def test_folders_that_only_sound_like_it_are_part_of_the_app(shop):
    shop.write("venv/_index.yaml", MANIFEST)
    assert list(shop.load().entries) == ["app:h", "b:h"]
    assert manifests_not_read(shop.root) == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("index.yaml", "_index.yaml"),
        ("index.yml", "_index.yml"),
        ("_Index.yaml", "_index.yaml"),
        ("_index.YML", "_index.yml"),
        ("__index.yaml", "_index.yaml"),
        ("_indx.yaml", "_index.yaml"),
        ("_idnex.yml", "_index.yml"),
        ("-index.yaml", "_index.yaml"),
    ],
)
@pytest.mark.parametrize(
    "text",
    [
        MANIFEST,
        "{namespace: b, entries: []}",
        "# shop\nversion: 1\n'entries': [\n'namespace': b",
    ],
    ids=["block", "flow", "broken"],
)
def test_a_manifest_whose_name_is_wrong_is_told(app, name, meant, text):
    app.write(f"b/{name}", text)
    assert app.error() == (
        f"b/{name}:1: this looks like a manifest, but is not read: only _index.yaml, _index.yml, "
        f"_index.json are; did you mean {meant}?"
    )


def test_json_with_a_wrong_name_is_told_too(app):
    app.write("index.json", '{"version": "1.0", "namespace": "b", "entries": []}')
    assert app.error().endswith("did you mean _index.json?")


def test_what_others_refer_to_may_be_in_a_manifest_whose_name_is_wrong(app):
    app.declare("- {name: s, kind: process.service, process: 'b:worker', host: 'b:h'}")
    app.write("b/index.yaml", MANIFEST)
    assert app.error().startswith("b/index.yaml:1: ")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("index.yaml", "apiVersion: v1\nentries: {}\n"),
        ("index.yaml", "metadata:\n  namespace: b\nspec:\n  entries: []\n"),
        ("index.yaml", ""),
        ("index.html", MANIFEST),
        ("_index.yaml.bak", MANIFEST),
        ("_index.old.yaml", MANIFEST),
        ("_index2.yaml", MANIFEST),
        ("values.yaml", MANIFEST),
    ],
)
def test_other_files_are_nobodys_business(app, name, text):
    app.write(name, text)
    assert app.load().entries == {}


def test_a_copy_beside_the_manifest_is_nobodys_business(shop):
    shop.write("index.yaml", MANIFEST)
    assert list(shop.load().entries) == ["app:h"]


def test_a_link_that_leads_out_of_the_app_is_not_looked_into(app, tmp_path):
    (tmp_path / "secret.yaml").write_text(MANIFEST)
    (app.root / "index.yaml").symlink_to(tmp_path / "secret.yaml")
    assert app.load().entries == {}
