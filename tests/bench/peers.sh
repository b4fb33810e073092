#!/usr/bin/env bash
# The servers that bench-service measures beside ours, in a directory of their own: nothing is installed system-wide, and
# root is not needed. On Debian 12, with network.
#
#   tests/bench/peers.sh install DIR     Chroma in a Python environment; PostgreSQL 15 with pgvector, built here
#   tests/bench/peers.sh start DIR       starts PostgreSQL; prints bench-service's options
#   tests/bench/peers.sh stop DIR
#
# PGVECTOR_SOURCE names a checkout of pgvector; without it one is cloned. CHROMA_VERSION and PGVECTOR_VERSION choose others
# than those below.
set -euo pipefail

chroma_version=${CHROMA_VERSION:-1.5.9}
pgvector_version=${PGVECTOR_VERSION:-v0.8.6}

usage() {
  sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"
  exit "$1"
}

[ $# = 2 ] || usage 2
mkdir -p "$2"
directory=$(realpath "$2")
programs=$directory/postgresql/usr/lib/postgresql/15/bin

# PostgreSQL refuses to run as root.
as_user=()
if [ "$(id -u)" = 0 ]; then
  as_user=(setpriv --reuid 65534 --regid 65534 --clear-groups)
fi

install_chroma() {
  python3 -m venv "$directory/chroma"
  "$directory/chroma/bin/pip" install --quiet "chromadb==$chroma_version"
}

# The packages are unpacked, not installed: PostgreSQL finds its files from where its programs lie.
install_postgresql() {
  mkdir -p "$directory/packages" "$directory/postgresql"
  (cd "$directory/packages" && apt-get download --quiet=2 postgresql-15 postgresql-client-15 postgresql-server-dev-15)
  for package in "$directory"/packages/*.deb; do
    dpkg --extract "$package" "$directory/postgresql"
  done
  if [ -n "${PGVECTOR_SOURCE:-}" ]; then
    cp -r "$PGVECTOR_SOURCE" "$directory/pgvector"
  else
    git clone --quiet --depth 1 --branch "$pgvector_version" https://github.com/pgvector/pgvector.git \
      "$directory/pgvector"
  fi
  # pgvector builds for this machine's processor by default.
  make --silent -C "$directory/pgvector" PG_CONFIG="$programs/pg_config" clean
  make --silent -C "$directory/pgvector" PG_CONFIG="$programs/pg_config" all install
}

start() {
  local data=$directory/data
  if [ ! -e "$data" ]; then
    mkdir "$data"
    [ ${#as_user[@]} = 0 ] || chown 65534:65534 "$data"
    "${as_user[@]}" "$programs/initdb" --pgdata="$data" --username=postgres --auth=trust >/dev/null
  fi
  "${as_user[@]}" "$programs/pg_ctl" --pgdata="$data" --log="$data/log" --wait --silent \
    --options="-p 5599 -k $data -c listen_addresses='' -c shared_buffers=1GB -c maintenance_work_mem=1GB" start
  echo "--chroma $directory/chroma/bin/chroma --postgres 'host=$data port=5599 user=postgres'"
}

case $1 in
  install)
    [ -e "$directory/chroma" ] || install_chroma
    [ -e "$directory/pgvector" ] || install_postgresql
    ;;
  start) start ;;
  stop) "${as_user[@]}" "$programs/pg_ctl" --pgdata="$directory/data" --mode=fast --wait --silent stop ;;
  *) usage 2 ;;
esac
