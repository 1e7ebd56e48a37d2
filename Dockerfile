# One image for the API, the worker and the migrations; the command says which.
FROM python:3.12-slim-bookworm AS build
ENV UV_PROJECT_ENVIRONMENT=/opt/spectral \
    UV_PYTHON_DOWNLOADS=never \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy
RUN python -m pip install --no-cache-dir uv==0.13.9
WORKDIR /source
# The dependencies first: they change less often than the code, so their layer is kept.
COPY pyproject.toml uv.lock ./
RUN uv sync --locked --no-dev --extra grpc --no-install-project
COPY README.md LICENSE ./
COPY migrations ./migrations
COPY spectral_platform ./spectral_platform
COPY spectral_api ./spectral_api
RUN uv sync --locked --no-dev --extra grpc --no-editable

FROM python:3.12-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/spectral --create-home --shell /usr/sbin/nologin spectral
COPY --from=build /opt/spectral /opt/spectral
ENV PATH=/opt/spectral/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    SPECTRAL_HOST=0.0.0.0 \
    SPECTRAL_PORT=8000 \
    SPECTRAL_DATA_DIR=/var/lib/spectral
USER 10001
WORKDIR /var/lib/spectral
VOLUME /var/lib/spectral
EXPOSE 8000
# `spectral serve` without a database of its own starts the embedded one, which lives in the volume.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ['SPECTRAL_PORT']}/api/v1/health\", timeout=4)"]
CMD ["spectral", "serve"]
