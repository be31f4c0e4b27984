#!/usr/bin/env bash
# The real peers that tests talk to. As root they are installed; otherwise what is missing is named and the run fails.
set -euo pipefail
declare -A package=([storescu]=dcmtk [dciodvfy]=dicom3tools [chromium]=chromium [strace]=strace [gdb]=gdb [ss]=iproute2 [pdftotext]=poppler-utils)
missing=()
for command in "${!package[@]}"; do command -v "$command" >/dev/null || missing+=("${package[$command]}"); done
fc-list :lang=zh 2>/dev/null | grep -q . || missing+=(fonts-noto-cjk)
[ ${#missing[@]} = 0 ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "Installing ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
else
  echo "Testing needs ${missing[*]}. Install these Debian packages, then run this again." >&2; exit 1
fi
