#!/bin/bash
# Installs the Debian packages that the Makefile's other steps build and run with; with `test`, those of the tests too.
# Silent when nothing is missing. Leaves no service running or enabled that was not there before:
# the project starts its own pcscd and mosquitto, the tests their own PostgreSQL and RabbitMQ, and a system's own would
# hold the same sockets.
set -euo pipefail

wanted=${1:-}
packages=(
    python3 python3-venv                          # the environment in .venv/
    python3-dev gcc libc6-dev libpcsclite-dev     # pyscard is published as source only
    pcscd vsmartcard-vpcd                         # card readers, real and virtual
    mosquitto                                     # the reference platform's broker
    sqlite3                                       # opens a journal by hand
    libzbar0                                      # pyzbar's decoder
    libgl1 libglib2.0-0                           # OpenCV's shared libraries
)
if [ "$wanted" = test ]; then
    packages+=(
        e2fsprogs mount                           # file systems whose power is cut, or that fill up
        espeak-ng alsa-utils                      # what speaks, and what plays it
        iproute2 iptables                         # networks that lose packets and break
        postgresql                                # the platform's database
        rabbitmq-server                           # the clustered broker
        build-essential debhelper po-debconf      # the Debian package,
        debootstrap strace                        # and a Debian to try it in
    )
fi
services=(
    pcscd.socket pcscd.service mosquitto.service
    postgresql.service rabbitmq-server.service epmd.socket epmd.service
)
policy=/usr/sbin/policy-rc.d

say() { printf '%s\n' "$@" >&2; }

# Debian 13 renamed some libraries for 64-bit time; the new packages still answer to the old names in apt.
installed() { has "$1" || has "$1t64"; }

has() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

missing_packages() {
    local name
    for name in "${packages[@]}"; do
        installed "$name" || echo "$name"
    done
}

known_services() {
    local name
    for name in "${services[@]}"; do
        [ ! -e "/lib/systemd/system/$name" ] || echo "$name"
    done
}

as_root() {
    if ! command -v sudo >/dev/null || ! { sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; }; }; then
        say "缺少系统软件包，需要管理员权限。请先运行（或请管理员运行）：" \
            "System packages are missing, and installing them needs root or sudo. Please run first, as root:" \
            "  apt-get update && apt-get install --no-install-recommends $*"
        exit 1
    fi
    say "system: installing needs root, going on with sudo"
    exec sudo bash "$0" ${wanted:+"$wanted"}
}

install() {
    local before
    before=$(known_services)
    say "system: installing $*"
    if [ ! -e "$policy" ]; then
        # Debian's own switch: 101 forbids package scripts to start a service.
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update
    apt-get -qq -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 install --yes --no-install-recommends "$@" >&2
    disable_new_services "$before"
}

disable_new_services() {
    local name
    command -v systemctl >/dev/null || return 0
    for name in $(known_services); do
        if ! grep -qxF "$name" <<<"$1"; then
            systemctl disable --quiet "$name" 2>/dev/null || true
            say "system: left $name off; 'systemctl enable --now $name' turns it on"
        fi
    done
}

if ! command -v dpkg-query >/dev/null; then
    say "本项目支持 Debian 12 和 13。" "This project is made for Debian 12 and 13; dpkg-query was not found here."
    exit 1
fi
mapfile -t missing < <(missing_packages)
[ "${#missing[@]}" -eq 0 ] && exit 0
[ "$(id -u)" -eq 0 ] || as_root "${missing[@]}"
install "${missing[@]}"
