# docker build -t frostmark .
# mkdir -p runs && docker run --rm --shm-size 2g --user "$(id -u):$(id -g)" -v "$PWD/runs:/runs" frostmark experiment=quickstart
#
# On a GPU machine add --gpus all. --shm-size: processes of trainer=ddp on several GPUs exchange data in shared memory, of
# which a container has 64 MB. A build for CPUs alone, a tenth of the size: --build-arg TORCH_INDEX=<the address that PyTorch's
# install page names for CPU>. The base is pinned to a digest by scripts/pin_images.py, where there is a network.
ARG PYTHON=python:3.12.12-slim-bookworm

FROM ${PYTHON} AS build
ARG TORCH_INDEX=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# antlr4, which Hydra needs, comes as source: it builds without a compiler.
RUN python -m venv /opt/frostmark
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
# Before the code, which changes more often.
RUN if [ -n "${TORCH_INDEX}" ]; then \
      /opt/frostmark/bin/pip install --no-deps -c constraints.txt --index-url "${TORCH_INDEX}" torch torchvision; \
    fi
COPY src ./src
COPY conf ./conf
RUN /opt/frostmark/bin/pip install -c constraints.txt .

FROM ${PYTHON}
# Any user may write there, as in /tmp: a volume is made with these rights, whoever runs the container.
RUN useradd --create-home --uid 1000 frostmark && mkdir /runs && chown frostmark /runs && chmod 1777 /runs
COPY --from=build /opt/frostmark /opt/frostmark
# HOME: a user given by --user has none, and libraries keep their caches there.
ENV PATH=/opt/frostmark/bin:$PATH HOME=/tmp MLFLOW_DISABLE_TELEMETRY=true TORCH_HOME=/runs/weights
USER 1000
WORKDIR /runs
VOLUME /runs
# A benchmark ends by itself; what is watched are the services of scripts/server.
HEALTHCHECK NONE
ENTRYPOINT ["frostmark"]
CMD ["--help"]
