"""Two examples for the help of each command, which ends with them."""

from __future__ import annotations

import typer

JOB = "8f14e45fceea467a9575ecb2d1f6a0aa"
DANCE = "--image me.png --driving dance.mp4"
# By the words of the command; the empty key is `tcan` itself.
EXAMPLES: dict[str, tuple[str, str]] = {
    "": (f"animate {DANCE} --out result.mp4", f"submit {DANCE} --wait --out result.mp4"),
    "animate": (
        f"animate {DANCE} --out result.mp4 --seed 7",
        f"animate {DANCE} --out result.mp4 --preset sd15 --device cuda --dtype float16",
    ),
    "plan": ("plan --memory 8GiB", "plan --memory 24GiB --preset sd15 --size 768x512 --frames 75"),
    "evaluate": (
        "evaluate --pairs puppets/ --out report.json",
        "evaluate --pairs puppets/ --out report.json --preset runs/mine/preset.yaml --limit 8",
    ),
    "compare": (
        "compare before.json after.json",
        "compare report.json report.json --base-condition pose --condition video",
    ),
    "demo": ("demo", "demo --out demo/ --seed 1000003 --frames 80"),
    "verify-origin": (
        "verify-origin result.mp4",
        "verify-origin result.mp4 --anchors issuers.pem --json",
    ),
    "up": ("up", "up --port 9000 --data /var/lib/tcan"),
    "gateway": ("gateway", "gateway --host 0.0.0.0 --port 8000"),
    "worker": ("worker", "worker --queues render --devices cuda:0,cuda:1"),
    "doctor": ("doctor", "doctor --only redis,objects --json"),
    "simulate": (
        "simulate --jobs-per-hour 120 --gpus 4",
        "simulate --jobs-per-hour 120 --gpus 2 --max-gpus 8 --callers big:9,small:1",
    ),
    "submit": (
        f"submit {DANCE} --wait --out result.mp4",
        "submit --image https://example.com/me.png --driving dance.json --seed 7 --format gif",
    ),
    "status": (f"status {JOB}", f"status {JOB} --json"),
    "wait": (f"wait {JOB}", f"wait {JOB} --out result.mp4"),
    "cancel": (f"cancel {JOB}", f"cancel {JOB} --json"),
    "erase": (f"erase {JOB}", f"erase {JOB} --url https://tcan.example.com"),
    "list": ("list", "list --state queued --state running --limit 50"),
    "deliveries": (f"deliveries {JOB}", f"deliveries {JOB} --redeliver 1"),
    "poses": ("poses extract dance.mp4 --out dance.json", "poses draw dance.json --out dance.mp4"),
    "poses extract": (
        "poses extract dance.mp4 --out dance.json",
        "poses extract puppet.mp4 --out puppet.json --detector puppet",
    ),
    "poses draw": (
        "poses draw dance.json --out skeleton.mp4",
        "poses draw openpose_output/ --out skeleton.mp4 --canvas 1280x720 --fps 25",
    ),
    "poses preview": (
        "poses preview dance.mp4 --out skeleton.mp4 --keypoints dance.json",
        "poses preview https://example.com/dance.mp4 --person 1 --trim 2:6 --out skeleton.mp4",
    ),
    "puppets": (
        "puppets render --seed 1000000 --out puppets/",
        "puppets render --seed 1000000 --count 4 --frames 48 --out puppets/",
    ),
    "puppets render": (
        "puppets render --seed 1000000 --out puppets/",
        "puppets render --seed 1000000 --count 4 --proportions crossed --out puppets/",
    ),
    "train": ("train stage1 --config mini/stage1", "train stage2 --config mini/stage2 --resume"),
    "train autoencoder": (
        "train autoencoder --config mini/autoencoder",
        "train autoencoder --config mine.yaml --check",
    ),
    "train pose-detector": (
        "train pose-detector --config mini/pose_detector",
        "train pose-detector --config mine.yaml --check",
    ),
    "train prior": ("train prior --config mini/prior", "train prior --config mine.yaml --check"),
    "train export": (
        "train export runs/sd15/stage1",
        "train export runs/sd15/stage1 --checkpoint best",
    ),
    "train stage1": (
        "train stage1 --config sd15/stage1 --check",
        "train stage1 --config mine.yaml --resume",
    ),
    "train stage2": (
        "train stage2 --config sd15/stage2 --check",
        "train stage2 --config mine.yaml --resume",
    ),
    "data": (
        "data prepare videos/ --out clips",
        "data check clips",
    ),
    "data prepare": (
        "data prepare videos/ --out clips",
        "data prepare videos/ --out s3://bucket/clips --device cuda --min-frames 24",
    ),
    "data check": ("data check data/tiktok/train", "data check clips --sheet sheet.png"),
    "models": ("models list", "models pull sd15"),
    "models list": ("models list", "models list | grep sd15"),
    "models show": ("models show sd15", "models show mini --json"),
    "models pull": ("models pull sd15", "models pull dwpose"),
    "models import": (
        "models import model.safetensors --dry-run",
        "models import style.safetensors --part loras/style --preset mine.yaml",
    ),
    "models verify": ("models verify sd15", "models verify dwpose"),
    "keys": ("keys create studio", "keys list"),
    "keys create": (
        "keys create studio",
        "keys create studio --queued-jobs 20 --expires-days 90",
    ),
    "keys list": ("keys list", "keys list --json"),
    "keys revoke": ("keys revoke 3f9a0c11d2e4", "keys revoke 3f9a0c11d2e4 --data .tcan"),
    "health": ("health gateway", "health worker"),
    "health gateway": ("health gateway", "health gateway --url http://127.0.0.1:9000"),
    "health worker": ("health worker", "health worker --probe live"),
}


def epilog(path: str) -> str | None:
    """Return the end of a command's help, one example per line; None without examples."""
    if path not in EXAMPLES:
        return None
    # \b keeps the lines as they are.
    return "\b\nExamples:\n" + "\n".join(f"  tcan {example}" for example in EXAMPLES[path])


def add_examples(group: typer.Typer, path: str) -> None:
    """Add the examples to the help of a group and of its commands."""
    group.info.epilog = epilog(path)
    for command in group.registered_commands:
        if command.callback is not None:
            name = command.name or command.callback.__name__.replace("_", "-")
            command.epilog = epilog(f"{path} {name}")
