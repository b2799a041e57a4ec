"""The nodes. They send their inputs to the service and wait for the results."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from tcan_client import Client, Job, JobEndedError, JobState, Output

from .host import ComfyHost, Host
from .media import png, pose_file, read_video, video_source

# Between two looks at the job, and at whether the user has canceled it.
POLL_S = 0.5
MAX_SEED = 2**32 - 1

Inputs = dict[str, dict[str, Any]]

SERVICE_URL = (
    "STRING",
    {"default": "", "tooltip": "URL of a service without keys; TCAN_URL when empty."},
)
PERSON = (
    "INT",
    {
        "default": -1,
        "min": -1,
        "max": 99,
        "tooltip": "Person in the video to follow, from the left, from 0; -1 is the main one.",
    },
)


class TcanAnimate:
    """Animates an image with the motion of a video or of poses."""

    CATEGORY = "TCAN"
    DESCRIPTION = "Animates a character's image with the motion of a video, by the tcan service."
    FUNCTION = "animate"
    OUTPUT_NODE = True
    RETURN_TYPES: ClassVar = ("IMAGE", "FLOAT", "STRING")
    RETURN_NAMES: ClassVar = ("frames", "fps", "video_path")

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs, as ComfyUI asks for them."""
        return {
            "required": {
                "image": ("IMAGE", {"tooltip": "The character."}),
                "seed": (
                    "INT",
                    {"default": 0, "min": 0, "max": MAX_SEED, "control_after_generate": True},
                ),
                "steps": (
                    "INT",
                    {"default": 0, "min": 0, "max": 200, "tooltip": "0 is the preset's default."},
                ),
                "guidance_scale": (
                    "FLOAT",
                    {
                        "default": 0.0,
                        "min": 0.0,
                        "max": 20.0,
                        "step": 0.1,
                        "tooltip": "0 is the preset's default; 1 turns guidance off.",
                    },
                ),
                "retarget": (
                    "BOOLEAN",
                    {"default": True, "tooltip": "Fit the motion to the character's proportions."},
                ),
                "person": PERSON,
                "pose_fps": (
                    "FLOAT",
                    {
                        "default": 24.0,
                        "min": 1.0,
                        "max": 120.0,
                        "tooltip": "Frames per second of driving_poses.",
                    },
                ),
                "more_params": (
                    "STRING",
                    {"default": "{}", "tooltip": 'More parameters, as JSON: {"ptm_tau": 2}'},
                ),
                "filename_prefix": ("STRING", {"default": "video/tcan"}),
                "service_url": SERVICE_URL,
            },
            "optional": {
                "driving_video": ("VIDEO", {"tooltip": "The motion, or else driving_poses."}),
                "driving_poses": ("POSE_KEYPOINT", {"tooltip": "The motion as OpenPose poses."}),
                "image_pose": (
                    "POSE_KEYPOINT",
                    {"tooltip": "The pose in the image; it is detected when absent."},
                ),
            },
        }

    def animate(self, host: Host | None = None, **inputs: Any) -> dict[str, Any]:
        """Return frames, rate and path of the animation, and the video to show at the node."""
        host = host or ComfyHost()
        with connect(inputs["service_url"]) as client:
            job = client.submit(
                png(inputs["image"]),
                driving(inputs),
                params(inputs),
                image_pose=optional_pose(inputs.get("image_pose")),
            )
            wait(client, job, host)
            saved = host.new_file(inputs["filename_prefix"], ".mp4")
            client.download(job.id, saved.path)
        video = read_video(saved.path)
        shown = {"images": [saved.entry], "animated": (True,)}
        return {"ui": shown, "result": (video.frames, video.fps, str(saved.path))}


class TcanPoses:
    """Detects the poses in a video."""

    CATEGORY = "TCAN"
    DESCRIPTION = "Detects the poses in a video by the tcan service, to check or edit them."
    FUNCTION = "detect"
    RETURN_TYPES: ClassVar = ("POSE_KEYPOINT", "IMAGE", "FLOAT")
    RETURN_NAMES: ClassVar = ("poses", "skeletons", "fps")

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Return the inputs, as ComfyUI asks for them."""
        return {
            "required": {
                "driving_video": ("VIDEO", {}),
                "person": PERSON,
                "service_url": SERVICE_URL,
            }
        }

    def detect(
        self, driving_video: Any, person: int, service_url: str, host: Host | None = None
    ) -> tuple[list[dict[str, Any]], Tensor, float]:
        """Return one OpenPose object per frame, and the frames and rate of the drawn skeletons."""
        host = host or ComfyHost()
        with connect(service_url) as client, tempfile.TemporaryDirectory() as folder:
            params = {} if person < 0 else {"person": person}
            job = client.poses(video_source(driving_video), params)
            wait(client, job, host)
            keypoints, skeletons = Path(folder, "poses.json"), Path(folder, "poses.mp4")
            client.download(job.id, keypoints, Output.KEYPOINTS)
            client.download(job.id, skeletons, Output.POSE)
            document = json.loads(keypoints.read_text("utf-8"))
            video = read_video(skeletons)
        frames = document["frames"] if isinstance(document, dict) else document
        return frames, video.frames, video.fps


def connect(url: str) -> Client:
    """Return a client of the service at `url`, or at TCAN_URL with the key of TCAN_API_KEY.

    A graph may come from a stranger, so the key is not sent to a URL that the graph names.
    """
    return Client(url, api_key="") if url else Client()


def driving(inputs: dict[str, Any]) -> Any:
    """Return the driving input for the client.

    Raises:
        ValueError: not exactly one of the two is connected.
    """
    video, poses = inputs.get("driving_video"), inputs.get("driving_poses")
    if (video is None) == (poses is None):
        raise ValueError("connect either driving_video or driving_poses")
    return video_source(video) if poses is None else pose_file(poses, inputs["pose_fps"])


def optional_pose(poses: Any) -> bytes | None:
    """Return the pose file of the image, if its pose is given."""
    return None if poses is None else pose_file(poses)


def params(inputs: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of the job; those that are left to the preset are absent.

    Raises:
        ValueError: more_params is no JSON object.
    """
    try:
        more = json.loads(inputs["more_params"] or "{}")
    except ValueError as error:
        raise ValueError(f"more_params is not JSON: {error}") from error
    if not isinstance(more, dict):
        raise ValueError(f"more_params must be a JSON object, got {inputs['more_params']}")
    chosen = {"seed": inputs["seed"], "retarget": inputs["retarget"]}
    if inputs["steps"]:
        chosen["num_inference_steps"] = inputs["steps"]
    if inputs["guidance_scale"]:
        chosen["guidance_scale"] = inputs["guidance_scale"]
    if inputs["person"] >= 0:
        chosen["person"] = inputs["person"]
    return {**more, **chosen, "format": "mp4"}


def wait(client: Client, job: Job, host: Host) -> None:
    """Show the job's progress until it has succeeded; cancel it when the user cancels the run.

    Raises:
        JobEndedError: it failed, or somebody else canceled it.
    """
    while not job.has_ended:
        try:
            host.report(job.progress.fraction)
        except BaseException:
            client.cancel(job.id)
            raise
        time.sleep(POLL_S)
        job = client.job(job.id)
    host.report(1.0)
    if job.status is not JobState.SUCCEEDED:
        raise JobEndedError(job)
