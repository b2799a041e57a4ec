"""MkDocs hooks: pages generated from the code, and Markdown files from outside of docs/.

The pages under reference/ come from `tools/docs_reference.py`, which needs the project's packages
and runs in its environment (PROJECT_PYTHON, or .venv). Nothing generated is written to docs/.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from posixpath import dirname, join, normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
# Markdown files of the repository -> their pages in the site.
OUTSIDE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security-policy.md",
    "clients/python/README.md": "python-client.md",
    "clients/typescript/README.md": "typescript-client.md",
    "integrations/comfyui/README.md": "comfyui.md",
    "tcan_core/presets/mini/README.md": "preset-mini.md",
    "deploy/kubernetes/training/README.md": "training-in-kubernetes.md",
}
PAGES = {page: source for source, page in OUTSIDE.items()}
FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(\]\()([^)\s#:]+)(#[^)\s]*)?(\))")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List every page of the folders that the navigation names with an index only."""
    for section in config.nav or []:
        for title, entries in section.items():
            if title in ("Runbooks", "Architecture", "Decisions"):
                folder = Path(config.docs_dir, title.lower())
                pages = sorted(p.name for p in folder.glob("*.md") if p.name != "README.md")
                entries[1:] = [f"{title.lower()}/{name}" for name in pages]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages and those from outside of docs/."""
    python = os.environ.get("PROJECT_PYTHON", str(ROOT / ".venv/bin/python"))
    ran = subprocess.run(
        [python, "tools/docs_reference.py"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise PluginError(f"tools/docs_reference.py failed:\n{ran.stderr}")
    pages = json.loads(ran.stdout)
    pages |= {page: (ROOT / source).read_text() for source, page in OUTSIDE.items()}
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Translate links between files of the repository into links between pages."""
    uri = page.file.src_uri
    source = PAGES.get(uri, f"docs/{uri}")

    def translated(match: re.Match[str]) -> str:
        target = normpath(join(dirname(source), match[2]))
        site = OUTSIDE.get(target, target.removeprefix("docs/"))
        return f"{match[1]}{relpath(site, dirname(uri) or '.')}{match[3] or ''}{match[4]}"

    parts = FENCE.split(markdown)
    parts[::2] = [LINK.sub(translated, part) for part in parts[::2]]
    return "".join(parts)
