# The HTTP side of the service: no model, no torch.
#   docker build -f deploy/docker/gateway.Dockerfile -t tcan-gateway .
# Only classic builder instructions, so that Compose 1.29 builds it too.
ARG BUILD_IMAGE=python:3.11.14-bookworm
ARG BASE_IMAGE=python:3.11.14-slim-bookworm

# PyPI packages with the hashes of the lock; rebuilt only when it changes.
FROM ${BUILD_IMAGE} AS packages
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
# Without pip: the image contains no installer.
RUN python3 -m venv --without-pip /opt/tcan
COPY deploy/docker/gateway.lock ./
RUN python3 -m pip --python /opt/tcan/bin/python install --no-cache-dir --no-deps --only-binary :all: --require-hashes --requirement gateway.lock \
    && echo /opt/app > "$(/opt/tcan/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/tcan.pth"

# Project code in a separate layer: a code change moves a few MB.
FROM packages AS code
COPY pyproject.toml README.md LICENSE deploy/docker/build.lock ./
COPY sandbox sandbox
COPY media media
COPY service service
COPY cli cli
COPY clients/python clients/python
# The build backend is locked too, and is not part of the image.
RUN python3 -m pip --python /opt/tcan/bin/python install --no-cache-dir --no-deps --only-binary :all: --require-hashes --target backend --requirement build.lock \
    && PYTHONPATH=/build/backend python3 -m pip --python /opt/tcan/bin/python install --no-cache-dir --no-deps --no-build-isolation --target /opt/app ./clients/python .

FROM ${BASE_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="tcan gateway" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV PATH=/opt/app/bin:/opt/tcan/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    TCAN_DATA=/data
# Any uid may write there: the operator chooses the uid and mounts a volume or memory.
RUN mkdir -p /data && chmod 1777 /data
COPY --from=packages /opt/tcan /opt/tcan
COPY --from=code /opt/app /opt/app
WORKDIR /data
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
# Long timeout: on an overloaded host, starting an interpreter takes seconds.
HEALTHCHECK --interval=15s --timeout=30s --start-period=60s --retries=3 CMD ["tcan", "health", "gateway"]
ENTRYPOINT ["tcan"]
CMD ["gateway", "--host", "0.0.0.0", "--port", "8000"]
