# The image of the export service: docs/databox.md says how a box uses it, and how this file is proved without Docker.
# Needs BuildKit, which every Docker since version 23 builds with.

# Debian 12, on whose C library this project is tested; the zeromq binary that is kept needs glibc 2.25.
ARG NODE_IMAGE=node:26-bookworm-slim

# Runs on the machine that builds, whatever the image is for: JavaScript is the same everywhere, and of zeromq's binaries
# the last step keeps the one for the image. So nothing of this is emulated.
FROM --platform=$BUILDPLATFORM ${NODE_IMAGE} AS build
ARG TARGETARCH
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN npm run build
RUN npm prune --omit=dev --ignore-scripts --no-audit --no-fund
RUN node scripts/prune-for-image.ts "$TARGETARCH"

FROM ${NODE_IMAGE}
LABEL databox.type="export-service"
LABEL org.opencontainers.image.title="databox-export-service" org.opencontainers.image.licenses="MIT"

# Its number is fixed, so that volumes that come from outside can be given to it.
RUN groupadd --gid 10001 databox \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin databox \
 && install --directory --mode=0700 --owner=databox --group=databox /data \
 && ln -s /app/bin/export-service.js /usr/local/bin/export-service

COPY --from=build /build/node_modules /app/node_modules
COPY --from=build /build/package.json /build/LICENSE /app/
COPY --from=build /build/samples /app/samples
COPY --from=build /build/bin /app/bin
COPY --from=build /build/dist /app/dist

ENV EXPORT_HOST=0.0.0.0
ENV EXPORT_DATA_DIR=/data
ENV DATABOX_ARBITER_ENDPOINT=tcp://arbiter:4444
EXPOSE 8080
VOLUME /data
USER databox
WORKDIR /data
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 CMD ["node", "/app/dist/cli/health-check.js"]
ENTRYPOINT ["node", "/app/bin/export-service.js"]
CMD ["-v"]
