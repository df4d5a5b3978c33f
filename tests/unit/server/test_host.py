"""What `server.host` patches and reads of pygeoapi, held against the installed version; fails loudly on an upgrade."""

import importlib.metadata
import inspect
import subprocess
import sys

import jinja2
import pygeoapi.util
from pygeoapi.api import API, APIRequest


def test_the_version_is_the_one_that_was_looked_at():
    assert importlib.metadata.version("pygeoapi").startswith("0.24.")


def test_the_renderer_takes_what_we_give_it():
    names = list(inspect.signature(pygeoapi.util.render_j2_template).parameters)
    assert names == ["config", "tpl_config", "template", "data", "locale_"]


def test_the_renderer_still_makes_an_environment_of_its_own_by_that_name():
    assert pygeoapi.util.Environment is jinja2.Environment or pygeoapi.util.Environment.func is jinja2.Environment
    assert "env = Environment(" in inspect.getsource(pygeoapi.util.render_j2_template)


def test_the_api_has_what_we_read():
    assert list(inspect.signature(API.__init__).parameters)[1:3] == ["config", "openapi"]
    source = inspect.getsource(API.__init__)
    for attribute in ("self.config", "self.tpl_config", "self.locales"):
        assert attribute in source
    assert "from_flask" in vars(APIRequest)


def test_the_flask_module_reads_its_files_at_import():
    code = "import os; os.environ.pop('PYGEOAPI_CONFIG', None); import pygeoapi.flask_app"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "PYGEOAPI_CONFIG" in ended.stderr
