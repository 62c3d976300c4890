"""How Sphinx builds this documentation: ``python -m sphinx -W -b html docs docs/_build/html``.

The build fetches nothing from the network: references to scikit-learn become links by a rule, and the
example on MNIST uses the digits that scikit-learn ships, unless the environment variable SKSCRATCH_MNIST
names a folder with the original files. A reader's browser loads MathJax for the equations; without it, they
are shown as TeX. The order of the examples and their arguments are in gallery.py.
"""

import os
import sys
import warnings
from pathlib import Path

# Gradient boosting on a small table takes 20 times as long if its threads have to share busy cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from docutils import nodes

import skscratch

ROOT = Path(__file__).parents[1]
# The reading guide shows tests/textbook.py, and the gallery uses gallery.py.
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "docs")]

project = "skscratch"
author = "The skscratch developers"
copyright = author
version = release = skscratch.__version__

extensions = [
    "matplotlib.sphinxext.plot_directive",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "*_table.md"]
# The tables that benchmarks/ writes begin below the page's own title.
suppress_warnings = ["myst.header"]
default_role = "literal"
# Links from the notebook's diagram quote a parameter's line, as in default="auto", and look for those quotes.
smartquotes = False
# Blocks after "::" are equations and commands; examples with >>> are recognised by themselves.
highlight_language = "none"

# What the API pages show.
autosummary_generate = True
toc_object_entries_show_parents = "hide"
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_validation_checks = {"PR01", "PR02", "PR03", "PR07", "RT03", "SA04"}

# Pictures beside code, on these pages and in docstrings.
plot_include_source = True
plot_html_show_source_link = False
plot_html_show_formats = False
plot_formats = [("png", 120)]
plot_rcparams = {"figure.figsize": (6.4, 4.0)}
plot_apply_rcparams = True

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/(quickstart|plot_)",
    "ignore_pattern": r"^(?!quickstart|plot_)",
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("skscratch",),
    "within_subsection_order": "gallery.ByLevel",
    "reset_argv": "gallery.arguments",
    "remove_config_comments": True,
    # Pictures and what is printed, not the last object of a block.
    "capture_repr": (),
    "show_memory": False,
    "write_computation_times": False,
    "download_all_examples": False,
    # The example on MNIST imports it, and links to it.
    "copyfile_regex": r"mnist_data\.py",
    # Sharp on screens with two pixels per point.
    "image_srcset": ["2x"],
}
# An example that warns is broken, unless it shows just that; this remark of matplotlib's is about speed.
warnings.filterwarnings("error", category=UserWarning)
warnings.filterwarnings("ignore", message="Creating legend with loc=", category=UserWarning)

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "pydata_sphinx_theme"
html_title = "skscratch"
html_static_path = ["_static"]
html_css_files = ["skscratch.css"]
html_show_sourcelink = False
html_copy_source = False
html_context = {"default_mode": "light"}
html_theme_options = {
    "logo": {"text": "skscratch"},
    "navbar_end": ["theme-switcher"],
    "navbar_align": "left",
    "show_toc_level": 2,
    "show_prev_next": True,
    "secondary_sidebar_items": {"index": [], "**": ["page-toc"]},
    "footer_start": ["copyright"],
    "footer_end": [],
}
# Pages without pages below them, or with links to these in their text, need no navigation on the left.
SINGLE_PAGES = (
    "index",
    "reading_guide",
    "benchmarks",
    "benchmarks_details",
    "experiments_speed",
    "defaults",
    "experiments_defaults",
    "contributing",
    "changelog",
)
html_sidebars = dict.fromkeys(SINGLE_PAGES, [])


SCIKIT_LEARN = "https://scikit-learn.org/stable"
# Sections that the docstrings of inherited methods refer to.
LABELS = {
    "accuracy_score": "modules/model_evaluation.html#accuracy-score",
    "metadata_routing": "metadata_routing.html",
    "df_output_transform": "modules/df_output_transform.html",
    "sphx_glr_auto_examples_miscellaneous_plot_set_output.py": (
        "auto_examples/miscellaneous/plot_set_output.html"
    ),
}


def link_to_scikit_learn(app, env, node, contnode):
    """Turn a reference to an object or a term of scikit-learn into a link to its documentation."""
    target = node["reftarget"]
    if node.get("refdomain") == "py" and target.startswith("sklearn."):
        *path, last = target.split(".")
        is_method = bool(path) and path[-1][0].isupper()
        page = ".".join(path) if is_method else target
        url = f"{SCIKIT_LEARN}/modules/generated/{page}.html#{target}"
    elif node.get("reftype") == "term":
        url = f"{SCIKIT_LEARN}/glossary.html#term-{target}"
    elif node.get("reftype") == "ref" and target in LABELS:
        url = f"{SCIKIT_LEARN}/{LABELS[target]}"
    else:
        return None
    return nodes.reference("", "", contnode, internal=False, refuri=url)


def setup(app):
    app.connect("missing-reference", link_to_scikit_learn)
