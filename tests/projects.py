"""A project as a site of a test has it, for whatever is to be labeled: nothing is accepted without a person."""
PROJECT = """name = "{name}"
version = 1
title = "{name}"
instructions = "Look."
features = []
{classes}{fields}
[task]
{task}
[routing]
accept_at = 1001
expert_below = 0
overlap = 0
[statistics]
confusion_nano_rho = 15_000_000
coincidence_nano_rho = 12_000_000
calibration_nano_rho = 4_000_000
drift_nano_rho = 22_000_000
calibration_bins = 5
[training]
rounds = 5
run_nano_rho = 24_355_000
clip_milli = 200
fraction_bits = 12
learning_rate = 0.12
momentum = 0.5
"""
