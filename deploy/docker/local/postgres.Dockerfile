# PostgreSQL from Debian's packages, used as the official image is: what base-image.sh builds where there is no registry.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
RUN set -eu; \
    mkdir -p /etc/postgresql-common /docker-entrypoint-initdb.d; \
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf; \
    apt-get update -q; \
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends postgresql; \
    apt-get clean; \
    rm -rf /var/lib/apt/lists/*; \
    install -d -o postgres -g postgres -m 0775 /var/run/postgresql
COPY postgres-entrypoint.sh /usr/local/bin/docker-entrypoint.sh
RUN chmod 0755 /usr/local/bin/docker-entrypoint.sh
VOLUME /var/lib/postgresql/data
EXPOSE 5432
STOPSIGNAL SIGINT
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]
