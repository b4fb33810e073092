#!/usr/bin/env bash
# Diptych in one command, on Debian 12, as root or with sudo:
#
#   deploy/quickstart.sh          install, build, start both services, import a gallery, search it, leave them running
#   deploy/quickstart.sh --exit   the same, then stop them; the exit status says whether the searches were right
#   deploy/quickstart.sh --stop   stop what an earlier run left running
#
# Everything it makes lies in build/release and .quickstart (data, gallery, logs). A second run finds it there, is quick,
# and disturbs no data. Ports: DIPTYCH_QUICKSTART_PORTS="50051 8081 50052 8000" (inference gRPC and HTTP, storage gRPC
# and HTTP), all on 127.0.0.1.
set -euo pipefail
cd "$(dirname "$0")/.."

state=$PWD/.quickstart
bin=$PWD/build/release/bin
read -r inference_port inference_http_port storage_port storage_http_port \
  <<<"${DIPTYCH_QUICKSTART_PORTS:-50051 8081 50052 8000}"
inference=127.0.0.1:$inference_port
storage=127.0.0.1:$storage_port
collection=gallery

step() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
fail() { printf 'quickstart: %s\n' "$*" >&2; exit 1; }
# Prints a command as a person would type it, then runs it.
show() {
  local argument line='$'
  for argument in "$@"; do
    argument=${argument#"$bin/"}
    argument=${argument#"$PWD/"}
    [[ $argument =~ ^[A-Za-z0-9_./:=-]+$ ]] || argument="\"$argument\""
    line+=" $argument"
  done
  printf '\n%s\n' "$line"
  "$@"
}

running() { [ -f "$state/$1.pid" ] && kill -0 "$(cat "$state/$1.pid")" 2>/dev/null; }

stop_service() {
  running "$1" || { rm -f "$state/$1.pid"; return 0; }
  local pid; pid=$(cat "$state/$1.pid")
  kill -TERM "$pid"
  for _ in $(seq 200); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
  ! kill -0 "$pid" 2>/dev/null || { echo "quickstart: $1 did not stop within 20 s, killing it" >&2; kill -KILL "$pid"; }
  rm -f "$state/$1.pid"
}

stop_all() { stop_service storage-server; stop_service inference-server; }

# start_service NAME HEALTH_FLAG ADDRESS ARGUMENTS...: a running one is kept, unless its program was rebuilt since.
start_service() {
  local name=$1 health=$2 address=$3; shift 3
  if running "$name" && [ "$bin/$name" -ot "$state/$name.pid" ]; then
    echo "$name is running already (process $(cat "$state/$name.pid"), $address)"
    return
  fi
  stop_service "$name"
  setsid "$bin/$name" "$@" >>"$state/$name.log" 2>&1 </dev/null &
  echo $! >"$state/$name.pid"
  for _ in $(seq 600); do
    if "$bin/diptych" --timeout 1 $health >/dev/null 2>&1; then
      running "$name" || break
      echo "$name is up (process $(cat "$state/$name.pid"), $address, log $state/$name.log)"
      return
    fi
    running "$name" || break
    sleep 0.1
  done
  tail -n 5 "$state/$name.log" >&2
  stop_service "$name"
  fail "$name did not come up on $address; its log is $state/$name.log (is the port taken? see DIPTYCH_QUICKSTART_PORTS)"
}

exit_at_end=0
case "${1:-}" in
  "") ;;
  --exit) exit_at_end=1 ;;
  --stop) stop_all; echo "stopped"; exit 0 ;;
  *) sed -n '2,12p' "$0"; exit 2 ;;
esac

step "Packages"
deploy/install-dependencies.sh --build

step "Build (the first time takes some minutes)"
cmake --preset release -DDIPTYCH_TESTS=${DIPTYCH_QUICKSTART_TESTS:-OFF} >"${TMPDIR:-/tmp}/diptych-configure.log" \
  || { cat "${TMPDIR:-/tmp}/diptych-configure.log" >&2; fail "the build could not be configured"; }
cmake --build --preset release --target inference-server storage-server diptych

step "Services"
mkdir -p "$state/data"
[ "$exit_at_end" = 0 ] || trap stop_all EXIT
start_service inference-server "--inference $inference health inference" "$inference" \
  --listen "$inference" --http-listen "127.0.0.1:$inference_http_port"
start_service storage-server "--server $storage health storage" "$storage" \
  --listen "$storage" --http-listen "127.0.0.1:$storage_http_port" --data "$state/data" --inference "dns:///$inference"
export DIPTYCH_SERVER=$storage DIPTYCH_INFERENCE=$inference

step "A gallery of 200 drawn pictures, imported"
if [ ! -f "$state/gallery/.complete" ]; then
  rm -rf "$state/gallery"
  /usr/bin/python3 inference-service/models/demo/train/make_gallery.py "$state/gallery" --count 200 --seed 20 \
    --queries "$state/queries.json"
  touch "$state/gallery/.complete"
fi
show "$bin/diptych" import "$state/gallery" --collection "$collection"

step "Text finds pictures"
show "$bin/diptych" search --collection "$collection" --text "two blue squares on a purple background" --top-k 3 \
  --properties caption
step "A picture finds pictures"
example=$(find "$state/gallery" -name '*.png' | sort | head -n 1)
show "$bin/diptych" search --collection "$collection" --image "$example" --top-k 3 --properties caption
step "Text within a filter"
show "$bin/diptych" search --collection "$collection" --text "a star" --filter "colour == 'red'" --top-k 3 \
  --properties caption

step "Were they the right pictures?"
/usr/bin/python3 deploy/quickstart_check.py --diptych "$bin/diptych" --collection "$collection" \
  --gallery "$state/gallery" --queries "$state/queries.json"

[ "$exit_at_end" = 0 ] || exit 0
cat <<EOF

Both services go on running. What next:

  Call them with grpcurl (reflection is on):
    grpcurl -plaintext $storage list
    grpcurl -plaintext -d '{"collection": "$collection", "nearText": {"concepts": ["a red circle"]}, "topK": 3}' \\
      $storage diptych.storage.v1.SearchService/Query
    grpcurl -plaintext -d '{"inputs": [{"text": "a red circle"}]}' \\
      $inference diptych.inference.v1.InferenceService/Vectorize

  The demo model knows drawn shapes only. For photographs, fetch a real model, put it in the demo model's place, and
  import a folder of your own into a collection of its own (vectors of two models do not mix):
    deploy/get-model.sh openai/clip-vit-base-patch32 models/clip
    kill \$(cat .quickstart/inference-server.pid)
    build/release/bin/inference-server --listen $inference --model clip=models/clip &
    build/release/bin/diptych import ~/Pictures --collection pictures
    build/release/bin/diptych search --collection pictures --text "a dog in the snow"

  Stop them:
    deploy/quickstart.sh --stop
EOF
