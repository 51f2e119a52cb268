# docker build -t frostmark .
# docker run --rm -v "$PWD/runs:/runs" frostmark experiment=quickstart
# On a GPU machine add --gpus all. For CPU-only wheels of torch hand pip their index: --build-arg PIP_OPTIONS="…".
FROM python:3.12-slim AS build
ARG PIP_OPTIONS=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# antlr4, which Hydra needs, comes as source: it builds without a compiler.
RUN python -m venv /opt/frostmark
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src ./src
COPY conf ./conf
# shellcheck disable=SC2086
RUN /opt/frostmark/bin/pip install ${PIP_OPTIONS} -c constraints.txt .

FROM python:3.12-slim
RUN useradd --create-home --uid 1000 frostmark && mkdir /runs && chown frostmark /runs
COPY --from=build /opt/frostmark /opt/frostmark
ENV PATH=/opt/frostmark/bin:$PATH MLFLOW_DISABLE_TELEMETRY=true TORCH_HOME=/runs/weights
USER 1000
WORKDIR /runs
VOLUME /runs
ENTRYPOINT ["frostmark"]
CMD ["--help"]
