"""Files and directories. The tool writes only to .venv/, .local/ and target/."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "local"
TEMPLATE = ROOT / "template.yaml"
SAM_CONFIG = HERE / "samconfig.toml"
EXAMPLE_PAGE = ROOT / "examples" / "browser"
SCRATCH = ROOT / ".local"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
ENVIRONMENTS = ROOT / ".venv"
EMULATOR_PYTHON = ENVIRONMENTS / "emulator" / "bin" / "python"
SAM_BIN = ENVIRONMENTS / "sam" / "bin"
LINT_BIN = ENVIRONMENTS / "lint" / "bin"
CHECKOV_BIN = ENVIRONMENTS / "checkov" / "bin"
