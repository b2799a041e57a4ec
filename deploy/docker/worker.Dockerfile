# A worker with the model.
#   docker build -f deploy/docker/worker.Dockerfile -t tcan-worker .                       # CUDA, xformers
#   docker build -f deploy/docker/worker.Dockerfile -t tcan-worker:cpu --build-arg DEVICE=cpu .
# Only classic builder instructions, so that Compose 1.29 builds it too.
ARG BUILD_IMAGE=python:3.11.14-bookworm
ARG BASE_IMAGE=python:3.11.14-slim-bookworm

# PyPI packages with the hashes of the lock, several GB, with the detector of real people; rebuilt only
# when it changes.
FROM ${BUILD_IMAGE} AS packages
# cuda or cpu. PyPI's torch is the CUDA build; the CPU build has a separate index, and its hashes are locked too.
ARG DEVICE=cuda
ARG CPU_INDEX=https://download.pytorch.org/whl/cpu
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
# Without pip: the image contains no installer.
RUN python3 -m venv --without-pip /opt/tcan
COPY deploy/docker/worker-cpu.lock deploy/docker/worker-cuda.lock ./
RUN if [ "${DEVICE}" = cpu ] && [ -n "${CPU_INDEX}" ]; then set -- --extra-index-url "${CPU_INDEX}"; fi \
    && python3 -m pip --python /opt/tcan/bin/python install --no-cache-dir --no-deps --only-binary :all: --require-hashes --requirement "worker-${DEVICE}.lock" "$@" \
    && echo /opt/app > "$(/opt/tcan/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/tcan.pth"

# Project code with the weights of mini and MoveNet in a separate layer: a code change does not move torch.
FROM packages AS code
COPY pyproject.toml README.md LICENSE deploy/docker/build.lock ./
COPY sandbox sandbox
COPY media media
COPY service service
COPY worker worker
COPY tcan_core tcan_core
COPY cli cli
COPY clients/python clients/python
# The build backend is locked too, and is not part of the image.
RUN python3 -m pip --python /opt/tcan/bin/python install --no-cache-dir --no-deps --only-binary :all: --require-hashes --target backend --requirement build.lock \
    && PYTHONPATH=/build/backend python3 -m pip --python /opt/tcan/bin/python install --no-cache-dir --no-deps --no-build-isolation --target /opt/app ./clients/python .

FROM ${BASE_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG DEVICE=cuda
LABEL org.opencontainers.image.title="tcan worker" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The NVIDIA variables request the driver from its container runtime. torch needs a home and a user name,
# which a uid without a name does not have.
ENV PATH=/opt/app/bin:/opt/tcan/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    USER=tcan \
    XDG_CACHE_HOME=/tmp/cache \
    TCAN_DATA=/data \
    TCAN_MODELS=/models \
    TCAN_DEVICE=${DEVICE} \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
# Any uid may write there: the operator chooses the uid and mounts volumes or memory.
RUN mkdir -p /data /models && chmod 1777 /data /models
COPY --from=packages /opt/tcan /opt/tcan
COPY --from=code /opt/app /opt/app
WORKDIR /data
USER 10001:10001
STOPSIGNAL SIGTERM
# A worker is healthy if it claims jobs, and unhealthy if it claims none while wake-up messages wait.
# Long timeout: on an overloaded host, starting an interpreter takes seconds.
HEALTHCHECK --interval=15s --timeout=30s --start-period=300s --retries=3 CMD ["tcan", "health", "worker"]
ENTRYPOINT ["tcan"]
CMD ["worker"]
