#!/bin/sh
# What the vendor's install.sh does on a Linux host with systemd and without a GPU, word for word where it leaves something behind:
# vendor.sh ARCHIVE
set -eu
BINDIR=/usr/local/bin

rm -rf /usr/local/lib/ollama
install -o0 -g0 -m755 -d "$BINDIR" /usr/local/lib/ollama
case $1 in
  *.tgz) tar -xzf "$1" -C /usr/local ;;
  *) zstd -q -d -c "$1" | tar -xf - -C /usr/local ;;
esac

id ollama >/dev/null 2>&1 || useradd -r -s /bin/false -U -m -d /usr/share/ollama ollama
if getent group render >/dev/null 2>&1; then usermod -a -G render ollama; fi
if getent group video >/dev/null 2>&1; then usermod -a -G video ollama; fi
usermod -a -G ollama "$(whoami)"

cat <<UNIT >/etc/systemd/system/ollama.service
[Unit]
Description=Ollama Service
After=network-online.target

[Service]
ExecStart=$BINDIR/ollama serve
User=ollama
Group=ollama
Restart=always
RestartSec=3
Environment="PATH=$PATH"

[Install]
WantedBy=default.target
UNIT
systemctl daemon-reload
systemctl enable ollama
systemctl restart ollama
