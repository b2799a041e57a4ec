"""Explain one window of an animation at one step: attention, temperature, poses, guidance.

The animation runs as always. At the chosen step, before its windows are predicted, the chosen
window is predicted a few more times, from the very latents that the run has there: once as the run
does, with the attention at chosen points recorded, and once for each part that is switched off. So
the maps are those of the run, its frames stay the same to the byte, and memory depends neither on
the number of steps nor on the video's length.
"""

from __future__ import annotations

from torch import Tensor

from media.poses.keypoints import Pose
from tcan_core.conditioning.pose_maps import PoseMaps
from tcan_core.conditioning.temperature_map import temperature_map
from tcan_core.errors import ParameterError
from tcan_core.evaluation.pose_errors import PoseErrors, with_errors
from tcan_core.explain.explanation import Choice, Explanation, Facts, Frames
from tcan_core.explain.looks import WindowLook
from tcan_core.explain.points import Point, choose_points, follow_joints
from tcan_core.explain.switches import LoraLayers
from tcan_core.explain.wrong_poses import WrongPose
from tcan_core.pipelines.animate import AnimatePipeline, AnimateSettings
from tcan_core.pipelines.fitting import Fit
from tcan_core.pipelines.prepared_input import PreparedInput
from tcan_core.pipelines.window_predictor import WindowPredictor
from tcan_core.progress import ProgressCallback

# Half of the joints lie anywhere: what no detector does, and easy to see.
WRONG = PoseErrors(throw=0.5)


def explain(
    pipeline: AnimatePipeline,
    prepared: PreparedInput,
    settings: AnimateSettings,
    choice: Choice | None = None,
    lora: LoraLayers | None = None,
    progress: ProgressCallback | None = None,
) -> Explanation:
    """Run an animation, and explain one window of it at one step.

    Args:
        settings: `cache_interval` must be 1.
        lora: the preset's, from `read_lora`, to be switched off; None or empty shows none.
        progress: called at every step, as in an animation.

    Raises:
        ParameterError: the step or the window does not exist, or the settings cache features.
        NoPersonError, ParameterError: as for `AnimatePipeline`.
    """
    if settings.cache_interval != 1:
        raise ParameterError(
            f"cache_interval is {settings.cache_interval}; it must be 1 to explain a step"
        )
    image, fit, placed = prepared.image, pipeline.drawer.fit(prepared.image), None
    pose_maps: PoseMaps | None = prepared.pose_maps
    if pipeline.preset.condition == "poses":
        placed = pipeline.drawer.place(
            image, prepared.poses, prepared.source_pose, **settings.placing
        )
        pose_maps = pipeline.drawer.draw(placed, fit)
    observer = _Observer(pipeline, settings, choice or Choice(), fit, placed, lora or {})
    wanted: dict[int, Frames] = {}
    video = pipeline.frames(
        image, prepared.poses, prepared.source_pose, settings, progress,
        pose_maps=pose_maps, observe=observer,
    )  # fmt: skip
    for index, frame in enumerate(video):
        if index in observer.window:
            wanted[index] = frame
    last = prepared.num_frames - 1
    frames = [wanted[min(index, last)] for index in observer.window]
    return observer.explanation(prepared, frames)


class _Observer:
    """Observes the steps of a run; at the chosen one it looks at the chosen window."""

    def __init__(
        self,
        pipeline: AnimatePipeline,
        settings: AnimateSettings,
        choice: Choice,
        fit: Fit,
        placed: list[Pose] | None,
        lora: LoraLayers,
    ) -> None:
        self._tcan, self._preset, self._settings = pipeline.tcan, pipeline.preset, settings
        self._choice, self._fit, self._placed, self._lora = choice, fit, placed, lora
        self._drawer = pipeline.drawer
        self._steps = settings.sampling(self._preset).num_inference_steps
        self._chosen_step = choice.step_of(self._steps)
        self._step = 0
        self.window: list[int] = []

    def __call__(self, predictor: WindowPredictor, latents: Tensor, timestep: Tensor) -> None:
        """Look at the chosen window if this is the chosen step."""
        self._step += 1
        windows = self._settings.windows(latents.shape[2], self._preset)
        number = self._choice.window_of(len(windows))
        self.window = windows[number - 1]
        if self._step != self._chosen_step:
            return
        self.facts = Facts(
            self._preset.name, self._settings.seed, self._step, self._steps, float(timestep),
            number, len(windows), predictor.guidance_scale, predictor.ptm_tau,
        )  # fmt: skip
        look = WindowLook(predictor, latents[:, :, self.window], timestep, self.window)
        maps = predictor.pose_maps.frames(self.window)
        height, width = self._fit.scaled
        self.points = list(self._choice.points) or choose_points(maps[:, :height, :width])
        inside = [self._in_model(point) for point in self.points]
        self.guidance, self.lora = look.guidance(), look.lora(self._lora)
        self.temporal, self.reference = look.attention(inside)
        self.wrong_pose = self._look_at_wrong_pose(look, maps)
        self.temperature = temperature_map(maps, predictor.ptm_tau) if predictor.ptm_tau else None

    def _in_model(self, point: Point) -> tuple[float, float]:
        """Return a point of the caller's picture as fractions of the model's, which is padded."""
        (height, width), (padded_height, padded_width) = self._fit.scaled, self._fit.padded
        return point.x * width / padded_width, point.y * height / padded_height

    def _look_at_wrong_pose(self, look: WindowLook, maps: Frames) -> WrongPose | None:
        if self._placed is None or not self._tcan.has_temporal_control:
            return None
        middle = len(self.window) // 2
        pose = self._placed[min(self.window[middle], len(self._placed) - 1)]
        wrong = self._drawer.draw(with_errors([pose], WRONG, self._settings.seed), self._fit)
        return look.wrong_pose(maps, middle, wrong.frame(0))

    def explanation(self, prepared: PreparedInput, frames: list[Frames]) -> Explanation:
        """Return the explanation with the frames of the window."""
        placed = self._placed
        of_window = placed and [placed[min(index, len(placed) - 1)] for index in self.window]
        return Explanation(
            self.facts, prepared.fps, self._fit, prepared.image, self.window, frames,
            self.points, follow_joints(of_window or []), self.temperature, self.temporal,
            self.reference, self.wrong_pose, self.guidance, self.lora,
        )  # fmt: skip
