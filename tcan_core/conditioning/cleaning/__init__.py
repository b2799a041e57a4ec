"""Cleaning of detected poses: choose one person, repair and smooth its poses."""

from tcan_core.conditioning.cleaning.clean import CleanedPoses, clean_poses
from tcan_core.conditioning.cleaning.gaps import fill_gaps
from tcan_core.conditioning.cleaning.jumps import find_jumps
from tcan_core.conditioning.cleaning.person import PersonChoice, choose_person, parse_person
from tcan_core.conditioning.cleaning.report import CleaningReport
from tcan_core.conditioning.cleaning.settings import CleaningSettings
from tcan_core.conditioning.cleaning.smoothing import smooth

__all__ = [
    "CleanedPoses",
    "CleaningReport",
    "CleaningSettings",
    "PersonChoice",
    "choose_person",
    "clean_poses",
    "fill_gaps",
    "find_jumps",
    "parse_person",
    "smooth",
]
