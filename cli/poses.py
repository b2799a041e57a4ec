"""`tcan poses`: extract keypoints from a video, and draw them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.arguments import check_output
from cli.preview import preview

if TYPE_CHECKING:
    from tcan_core.conditioning.cleaning.report import CleaningReport
PoseLayout = Annotated[
    str,
    typer.Option(
        help="Joints of the bodies in a pose file: openpose18, body25, coco17, halpe26,"
        " mediapipe33, wholebody133 or halpe136; auto chooses by their number, but for coco17."
    ),
]
PoseCanvas = Annotated[
    str | None,
    typer.Option(
        metavar="WIDTHxHEIGHT",
        help="Size of the frames from which a pose file was made. Default: the file's, else the"
        " image's if all joints are inside it.",
    ),
]
PoseFps = Annotated[
    float | None, typer.Option(help="Frame rate of a pose file. Default: the file's, or 25.")
]
app = typer.Typer(help="Extract keypoints from videos and draw them.", no_args_is_help=True)


@app.command()
def extract(
    video: Annotated[Path, typer.Argument(help="Video or image.")],
    out: Annotated[Path, typer.Option(help="The pose file to write (.json).")],
    detector: Annotated[
        str,
        typer.Option(
            help="movenet, dwpose or openpose for people, puppet for this project's puppets; auto"
            " is dwpose where it is installed, otherwise movenet."
        ),
    ] = "auto",
) -> None:
    """Detect the people in every frame, write their keypoints, and report their quality."""
    from media.poses.pose_file import write_pose_file
    from tcan_core.conditioning.cleaning.clean import clean_poses
    from tcan_core.conditioning.detectors import build_detector
    from tcan_core.errors import NoPersonError
    from tcan_core.pipelines.detect_people import detect_people

    check_output("--out", out, "json")
    name = build_detector(detector).name
    people, fps, warnings = detect_people(video, detector=detector)
    for warning in warnings:
        typer.echo(f"warning: {warning}", err=True)
    frames_with_people = sum(1 for frame in people if any(pose.detected.any() for pose in frame))
    if not frames_with_people:
        raise NoPersonError(
            f"{video.name}: no person was found in any of the {len(people)} frames"
            f" (detector {name})"
        )
    write_pose_file(out, people, fps=float(fps))
    typer.echo(
        f"{out}: {len(people)} frames at {float(fps):g} fps, people in {frames_with_people} of them"
        f" (detector {name})"
    )
    _print_quality(clean_poses(people, fps=float(fps)).report)


def _print_quality(report: CleaningReport) -> None:
    """Print what cleaning would correct in the main person's joints."""
    counts = {
        "not detected": report.missing,
        "jumped": report.rejected,
        "filled in": report.filled,
        "dropped for blinking": report.blinked,
        "left missing": report.left_missing,
    }
    summary = ", ".join(f"{sum(by_joint.values())} {kind}" for kind, by_joint in counts.items())
    typer.echo(f"joints of the main person, of {18 * report.frames}: {summary}")
    for warning in report.warnings():
        typer.echo(f"warning: {warning}", err=True)


@app.command()
def draw(
    poses: Annotated[Path, typer.Argument(help="Pose file (.json), or a zip or folder of them.")],
    out: Annotated[Path, typer.Option(help="The video to write: mp4, WebM, GIF or zip of PNGs.")],
    layout: PoseLayout = "auto",
    canvas: PoseCanvas = None,
    fps: PoseFps = None,
) -> None:
    """Draw a pose file as a video of skeletons."""
    from media.frame_writers import open_writer
    from media.poses.document import pose_file_options
    from media.poses.pose_file import read_pose_file
    from tcan_core.conditioning.skeleton import draw_people
    from tcan_core.errors import PoseFileError

    file = read_pose_file(poses, pose_file_options(layout, canvas, fps))
    for warning in file.warnings:
        typer.echo(f"warning: {warning}", err=True)
    if not file.has_person:
        raise PoseFileError(file.no_person_message(poses.name))
    rate = Fraction(file.fps or 25).limit_denominator(1001)
    with open_writer(out, rate, file.canvas) as writer:
        for people in file.frames:
            writer.write(draw_people(people, file.canvas))
    typer.echo(f"{out}: {len(file.frames)} frames at {float(rate):g} fps")


app.command("preview")(preview)
