#!/usr/bin/env bash
# The protos pass `buf lint`, which comes from the npm registry. Skipped (77) where npx is missing, the registry cannot
# be reached or DIPTYCH_TEST_REGISTRIES=0 forbids asking it.
set -euo pipefail
buf=@bufbuild/buf@1.75.0
if [ "${DIPTYCH_TEST_REGISTRIES:-1}" = 0 ]; then
  echo "skipped: DIPTYCH_TEST_REGISTRIES=0"
  exit 77
fi
if ! command -v npx >/dev/null; then
  echo "skipped: npx is not installed"
  exit 77
fi
cd "${DIPTYCH_SOURCE_DIR:-$(dirname "$0")/../..}"
if ! version=$(timeout 90 npx --yes "$buf" --version 2>&1); then
  echo "skipped: $buf could not be fetched: $(tail -n 1 <<<"$version")"
  exit 77
fi
echo "buf $version"
npx --yes "$buf" lint proto
