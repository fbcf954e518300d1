# The three programs, static, and nothing else. `docker build .` builds them from source;
# `docker build --target prebuilt .` takes them from target/docker, where `scripts/static-binaries target/docker` puts
# them. The classic builder goes through all stages up to the target: hence the order, and no syntax of BuildKit.
ARG RUST_IMAGE=rust:1.91-slim-bookworm

FROM scratch AS empty
WORKDIR /data

FROM scratch AS base
ENV PATH=/
# Nobody in particular; there is no /etc/passwd.
USER 65532:65532
# Where logs go that are on disk. A volume that is mounted here for the first time takes over who it belongs to.
COPY --from=empty --chown=65532:65532 /data /data
CMD ["acklog", "--help"]

FROM base AS prebuilt
ARG BINARIES=target/docker
# Where nothing is prebuilt, the patterns match nothing, and the classic builder still gets past this on its way.
COPY LICENSE ${BINARIES}/*-node ${BINARIES}/ackl*g /

FROM ${RUST_IMAGE} AS build
# The allocator is written in C; the image has a compiler and no make.
RUN command -v make || { apt-get update -qq && apt-get install -y -qq --no-install-recommends make; }
WORKDIR /src
COPY . .
RUN scripts/static-binaries /out

FROM base
COPY --from=build /src/LICENSE /out/* /
