# Who looks at a host from outside: a browser and what drives it, a checker of TLS, a load generator.
ARG BASE
FROM ${BASE}
ENV LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      ca-certificates chromium chromium-driver curl fonts-dejavu-core libnss3-tools python3-selenium testssl.sh wrk \
 && apt-get clean
COPY ca.crt /usr/local/share/ca-certificates/llm-host-lab.crt
RUN update-ca-certificates
