#!/usr/bin/env bash
# Builds Diptych and runs all its tests. The exit status is 0 when every test passed or was skipped with a reason.
#
#   tests/run.sh                 the release build and its tests
#   tests/run.sh --quick         without the tests labelled `slow`
#   tests/run.sh --sanitizers    first also the presets asan and tsan (as with CI=true in the environment)
#   tests/run.sh --no-network    install no package, ask no package registry; what needs one is skipped and says so
#
# Environment: DIPTYCH_TESTDATA names a folder of real photographs and vocabularies for the tests that want them;
# without it they are skipped. DIPTYCH_JOBS says how many jobs run at once (the number of processors unless told).
set -euo pipefail
cd "$(dirname "$0")/.."

sanitizers=0
network=1
ctest_arguments=()
[ "${CI:-}" != true ] || sanitizers=1
while [ $# -gt 0 ]; do
  case $1 in
    --quick) ctest_arguments+=(--label-exclude slow) ;;
    --sanitizers) sanitizers=1 ;;
    --no-network) network=0 ;;
    -h | --help)
      sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"
      exit 0
      ;;
    *)
      echo "tests/run.sh: unknown option '$1'; --help lists the options" >&2
      exit 2
      ;;
  esac
  shift
done

if [ $network = 1 ]; then
  deploy/install-dependencies.sh --test
else
  export DIPTYCH_TEST_REGISTRIES=0
fi

# With paths taken relative to the checkout, a second checkout of the same sources finds the first one's results.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
jobs=${DIPTYCH_JOBS:-$(nproc)}

run_preset() {
  local preset=$1
  echo "== $preset: configure and build"
  # The quick start may have left a build without tests behind.
  cmake --preset "$preset" -DDIPTYCH_TESTS=ON >"build/$preset.configure.log" 2>&1 || {
    cat "build/$preset.configure.log"
    return 1
  }
  cmake --build --preset "$preset" --parallel "$jobs"
  echo "== $preset: test"
  ctest --preset "$preset" --no-tests=error --parallel "$jobs" "${ctest_arguments[@]}"
}

mkdir -p build
if [ $sanitizers = 1 ]; then
  run_preset asan
  run_preset tsan
fi
run_preset release
