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


# Every package of the lock, checked against its hash. Both images are made of these, without a network.
FROM base AS packages
WORKDIR /packages
RUN --mount=type=bind,source=requirements.lock,target=/requirements.lock \
    pip download --quiet --require-hashes --only-binary :all: --requirement /requirements.lock


FROM packages AS build
ENV PIP_NO_INDEX=1 PIP_FIND_LINKS=/packages
WORKDIR /build
COPY pyproject.toml README.md ./
COPY migrations migrations
COPY src src
# Whatever version is chosen is the lock's, for there is no other; what only tools need is left where it is.
# hadolint ignore=DL3013
RUN pip install --quiet hatchling \
    && pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /packages . \
    && python -m venv --without-pip /opt/blog \
    && pip --python /opt/blog/bin/python install --quiet 'blog[server]'


FROM packages AS dev
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends curl make nginx procps \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
RUN chown blog:blog .
USER 10001:10001
COPY --chown=10001:10001 . .
RUN PIP_NO_INDEX=1 PIP_FIND_LINKS=/packages make environment
ENV PATH=/app/.venv/bin:$PATH


FROM base AS production
COPY --from=build /opt/blog /opt/blog
ENV PATH=/opt/blog/bin:$PATH
WORKDIR /opt/blog
USER 10001:10001
