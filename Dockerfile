# The blog as a container. `production` is the service and what it needs, on a PostgreSQL that DATABASE_URL names;
# `dev` is the whole project with every tool, where `make test` and its parts run.

ARG PYTHON=3.13

# What both have in common.
FROM python:${PYTHON}-slim AS base
ENV PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN useradd --uid 10001 --create-home blog
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=6s --start-period=60s --retries=3 CMD ["python", "-c", "\
import http.client; \
service = http.client.HTTPConnection('127.0.0.1', 8000, timeout=5); \
service.request('GET', '/health/ready'); \
raise SystemExit(service.getresponse().status != 200)"]
ENTRYPOINT ["blog"]
CMD ["serve", "--host", "0.0.0.0"]


# What production is made of: the packages of requirements.lock, each checked against its hash, and the blog.
FROM base AS build
WORKDIR /build
RUN --mount=type=bind,source=requirements.lock,target=/requirements.lock \
    python -m venv --without-pip /opt/blog \
    && pip --python /opt/blog/bin/python install --quiet --no-deps --require-hashes --only-binary :all: \
        --requirement /requirements.lock
COPY pyproject.toml README.md ./
COPY migrations migrations
COPY src src
RUN pip --python /opt/blog/bin/python install --quiet --no-deps --no-index --no-build-isolation .


# Both locks, so that the image with the tools needs no network when a file of the project has changed.
FROM base AS packages
WORKDIR /packages
RUN --mount=type=bind,source=requirements.lock,target=/requirements.lock \
    --mount=type=bind,source=requirements-dev.lock,target=/requirements-dev.lock \
    pip download --quiet --no-deps --require-hashes --only-binary :all: \
        --requirement /requirements.lock --requirement /requirements-dev.lock


FROM base AS dev
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends curl haproxy make nginx procps \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
RUN chown blog:blog .
USER 10001:10001
COPY --chown=10001:10001 . .
RUN --mount=type=bind,from=packages,source=/packages,target=/packages \
    PIP_NO_INDEX=1 PIP_FIND_LINKS=/packages make environment
ENV PATH=/app/.venv/bin:$PATH


FROM base AS production
COPY --from=build /opt/blog /opt/blog
ENV PATH=/opt/blog/bin:$PATH
WORKDIR /opt/blog
USER 10001:10001
