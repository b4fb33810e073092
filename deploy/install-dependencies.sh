#!/usr/bin/env bash
# Installs Diptych's Debian 12 packages, as root or with sudo. What is there already is left alone, so that a second run
# takes a moment and needs neither network nor root.
#
#   deploy/install-dependencies.sh                    to build, test and run: the default
#   deploy/install-dependencies.sh --build            to build and run only
#   deploy/install-dependencies.sh --benchmarks       to build, and what benchmarks need
#   deploy/install-dependencies.sh --lint             as the default, and clang, clang-format, clang-tidy
#   deploy/install-dependencies.sh --runtime storage|inference
#                                                     only what a service built elsewhere needs to run
#   deploy/install-dependencies.sh --print [...]      names the packages of a group, installs nothing
set -euo pipefail

# What cmake/Dependencies.cmake looks for, with the reasons written there, and the tools that build it.
build_packages=(
  build-essential ca-certificates ccache cmake git ninja-build pkg-config
  protobuf-compiler protobuf-compiler-grpc
  libabsl-dev libgrpc++-dev libprotobuf-dev
  libcli11-dev libcpp-httplib-dev libspdlog-dev nlohmann-json3-dev prometheus-cpp-dev
  libhnswlib-dev liblmdb-dev libroaring-dev
  libgif-dev libicu-dev libjpeg62-turbo-dev libpng-dev libtiff-dev libwebp-dev
  libcurl4-openssl-dev libre2-dev libssl-dev libxxhash-dev libzstd-dev zlib1g-dev
  libtorch-dev libgflags-dev libgoogle-glog-dev
  libopenblas0-openmp # LibTorch's matrix products: several times the speed of the reference BLAS
  python3 python3-numpy python3-pil # deploy/get-model.sh, and the picture generator that the quick start calls
)

# Tests compare with what the field uses: Pillow and torch from Debian, gRPC from Python; curl, and a virtual environment
# for OpenAI's client, speak to the HTTP port.
test_packages=(
  curl python3-venv
  libgmock-dev libgtest-dev
  python3-grpcio python3-protobuf python3-torch python3-yaml
)

# Benchmarks (-DDIPTYCH_BENCHMARKS=ON), which speak to PostgreSQL too.
benchmark_packages=(libbenchmark-dev libpq-dev)

lint_packages=(clang clang-format clang-tidy)

runtime_packages_storage=(
  ca-certificates
  libabsl20220623 libgrpc++1.51 libprotobuf32
  libcpp-httplib0.11 libprometheus-cpp-core1.0 libspdlog1.10
  libcurl4 libicu72 libjpeg62-turbo liblmdb0 libpng16-16 libre2-9 libroaring0 libssl3
  libwebp7 libxxhash0 libzstd1 zlib1g
)
runtime_packages_inference=(
  ca-certificates
  libabsl20220623 libgrpc++1.51 libprotobuf32
  libcpp-httplib0.11 libprometheus-cpp-core1.0 libspdlog1.10
  libgif7 libicu72 libjpeg62-turbo libpng16-16 libtiff6 libwebp7 libwebpdemux2
  libre2-9 libssl3 libxxhash0
  libzstd1 zlib1g
)
runtime_packages_torch=(libtorch1.13 libopenblas0-openmp)

usage() {
  sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"
}

print_only=0
packages=()
while [ $# -gt 0 ]; do
  case $1 in
    --build) packages+=("${build_packages[@]}") ;;
    --test) packages+=("${build_packages[@]}" "${test_packages[@]}") ;;
    --benchmarks) packages+=("${build_packages[@]}" "${benchmark_packages[@]}") ;;
    --lint) packages+=("${build_packages[@]}" "${test_packages[@]}" "${lint_packages[@]}") ;;
    --runtime)
      shift
      case ${1:-} in
        storage) packages+=("${runtime_packages_storage[@]}") ;;
        inference) packages+=("${runtime_packages_inference[@]}" "${runtime_packages_torch[@]}") ;;
        # The CUDA image brings a LibTorch of its own.
        inference-without-torch) packages+=("${runtime_packages_inference[@]}") ;;
        *)
          echo "install-dependencies: --runtime takes storage, inference or inference-without-torch, got '${1:-}'" >&2
          exit 2
          ;;
      esac
      ;;
    --print) print_only=1 ;;
    -h | --help)
      usage
      exit 0
      ;;
    *)
      echo "install-dependencies: unknown option '$1'; --help lists the options" >&2
      exit 2
      ;;
  esac
  shift
done
[ ${#packages[@]} -gt 0 ] || packages=("${build_packages[@]}" "${test_packages[@]}")

if [ $print_only = 1 ]; then
  printf '%s\n' "${packages[@]}" | sort -u
  exit 0
fi

if ! command -v dpkg-query >/dev/null; then
  echo "install-dependencies: this is not Debian. Install what cmake/Dependencies.cmake names by your own means." >&2
  exit 1
fi
installed=$(dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p')
mapfile -t missing < <(printf '%s\n' "${packages[@]}" | sort -u | grep -vxFf <(printf '%s\n' "$installed") || true)
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "install-dependencies: ${#missing[@]} packages are missing; run this as root, or install sudo: ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
echo "install-dependencies: installing ${#missing[@]} packages" >&2
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300)
"${apt[@]}" update -qq
"${apt[@]}" install --yes --quiet=2 --no-install-recommends "${missing[@]}" >/dev/null
