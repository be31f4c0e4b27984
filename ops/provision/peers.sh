#!/usr/bin/env bash
# The real peers that tests talk to; with "bench", also what it measures against. As root they are installed;
# otherwise what is missing is named and the run fails.
set -euo pipefail
declare -A package=([storescu]=dcmtk [dciodvfy]=dicom3tools [chromium]=chromium [strace]=strace [gdb]=gdb [ss]=iproute2 [pdftotext]=poppler-utils [mkfs.ext4]=e2fsprogs [losetup]=mount [Orthanc]=orthanc [ip]=iproute2 [unshare]=util-linux)
plugin=/usr/share/orthanc/plugins/libOrthancDicomWeb.so
PATH="$PATH:/usr/sbin:/sbin"
missing=()
for command in "${!package[@]}"; do command -v "$command" >/dev/null || missing+=("${package[$command]}"); done
if [ "${1:-}" = bench ] && [ ! -e "$plugin" ]; then missing+=(orthanc-dicomweb); fi
fc-list :lang=zh 2>/dev/null | grep -q . || missing+=(fonts-noto-cjk)
[ ${#missing[@]} = 0 ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "Installing ${missing[*]}"
  # Debian's orthanc would start as a service of this machine, open to everybody on it.
  if [[ " ${missing[*]} " == *" orthanc"* ]] && [ -d /run/systemd/system ]; then systemctl mask -q orthanc; fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
else
  echo "Testing needs ${missing[*]}. Install these Debian packages, then run this again." >&2; exit 1
fi
