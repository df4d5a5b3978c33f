"""What `server.host` patches and reads of pygeoapi, held against the installed version; fails loudly on an upgrade."""

import importlib.metadata
import inspect
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import jinja2
import pygeoapi.util
from babel.support import NullTranslations
from jinja2 import FileSystemLoader
from pygeoapi import l10n
from pygeoapi.api import API

from server.host import SharedEnvironment


def test_the_version_is_the_one_that_was_looked_at():
    assert importlib.metadata.version("pygeoapi").startswith("0.24.")


def test_the_renderer_takes_what_we_give_it():
    names = list(inspect.signature(pygeoapi.util.render_j2_template).parameters)
    assert names == ["config", "tpl_config", "template", "data", "locale_"]


def test_the_renderer_still_makes_an_environment_of_its_own_by_that_name():
    assert pygeoapi.util.Environment in (jinja2.Environment, SharedEnvironment.of)
    source = inspect.getsource(pygeoapi.util.render_j2_template)
    assert "env = Environment(loader=FileSystemLoader(template_paths)," in source
    assert "env.install_gettext_translations(translations)" in source
    assert source.index("install_gettext_translations") < source.index("template.render(")


def test_one_environment_serves_all_pages_of_a_folder_each_in_its_own_language(tmp_path):
    (tmp_path / "page.html").write_text("{% trans %}Home{% endtrans %} {{ data['x'] }}")

    def made():
        return SharedEnvironment.of(
            loader=FileSystemLoader([str(tmp_path)]), extensions=["jinja2.ext.i18n"], autoescape=True
        )

    def rendered(word):
        environment = made()
        environment.install_gettext_translations(Words(word))
        meeting.wait(30)  # all have set their language before the first renders
        return environment.get_template("page.html").render(data={"x": "<"})

    words = ["Start", "Accueil", "Inicio"]
    meeting = threading.Barrier(len(words))
    with ThreadPoolExecutor(len(words)) as threads:
        assert list(threads.map(rendered, words)) == [f"{word} &lt;" for word in words]
    assert made() is made()


class Words(NullTranslations):
    """Translates everything into one word."""

    def __init__(self, word):
        super().__init__()
        self.word = word

    def ugettext(self, text):
        return self.word


def test_the_api_has_what_we_read():
    assert list(inspect.signature(API.__init__).parameters)[1:3] == ["config", "openapi"]
    source = inspect.getsource(API.__init__)
    for attribute in ("self.config", "self.tpl_config", "self.locales"):
        assert attribute in source
    assert list(inspect.signature(l10n.best_match).parameters) == ["accept_languages", "available_locales"]
    assert list(inspect.signature(l10n.translate_struct).parameters) == ["struct", "locale_", "is_config"]


def test_the_flask_module_reads_its_files_at_import():
    code = "import os; os.environ.pop('PYGEOAPI_CONFIG', None); import pygeoapi.flask_app"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "PYGEOAPI_CONFIG" in ended.stderr
