#!/bin/bash
# Fetches a model from the Hugging Face hub:  deploy/get-model.sh openai/clip-vit-base-patch32 DIR [--revision R]
# Run it again to continue after an interruption. --help tells all. Needs python3 alone.
set -euo pipefail
if ! command -v python3 > /dev/null; then
  echo "get-model.sh needs python3. Install it with: apt-get install python3" >&2
  exit 1
fi
exec python3 -B "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/get_model" "$@"
