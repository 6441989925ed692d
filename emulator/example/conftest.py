"""Makes the emulator's fixture known to the tests in this folder."""

pytest_plugins = ["partner_center_emulator.pytest_plugin"]
