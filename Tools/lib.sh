# Shared by the shell scripts of Tools/: where things are, what must be installed, building. Sourced, not run.
ROOT=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
cd "$ROOT"

packages="libzstd-dev libseccomp-dev libxxhash-dev libdw-dev libelf-dev liblzma-dev libbz2-dev zlib1g-dev libzydis-dev libzycore-dev zstd gcc g++ make python3 sqlite3 gdb bash coreutils util-linux procps binutils libc6-dev"

say() { printf '== %s\n' "$*"; }

# Swift 6.3 or newer is the one thing that Debian does not have.
need_swift() {
  if ! command -v swift > /dev/null 2>&1; then
    for place in /opt/swift/usr/bin /usr/local/swift/usr/bin "$HOME/.local/share/swiftly/bin"; do
      if [ -x "$place/swift" ]; then PATH="$place:$PATH"; export PATH; break; fi
    done
  fi
  version=$(swift --version 2> /dev/null | sed -n 's/.*Swift version \([0-9][0-9]*\.[0-9][0-9]*\).*/\1/p' | head -n 1)
  major=${version%%.*}
  minor=${version#*.}
  if [ -n "$version" ] && { [ "$major" -gt 6 ] || { [ "$major" -eq 6 ] && [ "$minor" -ge 3 ]; }; }; then return 0; fi
  cat >&2 << 'END'
This needs Swift 6.3. On Debian 12, x86-64:
    apt-get install -y curl ca-certificates gnupg libcurl4 libxml2 libncurses6 libedit2 libpython3-dev libsqlite3-0 tzdata zlib1g-dev libstdc++-12-dev
    curl -O https://download.swift.org/swift-6.3.1-release/debian12/swift-6.3.1-RELEASE/swift-6.3.1-RELEASE-debian12.tar.gz
    mkdir -p /opt/swift && tar xzf swift-6.3.1-RELEASE-debian12.tar.gz -C /opt/swift --strip-components=1
    export PATH=/opt/swift/usr/bin:$PATH
or with swiftly: https://www.swift.org/install/linux/
END
  return 1
}

# Installs the Debian packages that are missing, as root or through sudo.
need_packages() {
  missing=
  for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2> /dev/null | grep -q 'install ok installed' || missing="$missing $package"
  done
  [ -z "$missing" ] && return 0
  say "installing$missing"
  if [ "$(id -u)" -eq 0 ]; then as_root=
  elif command -v sudo > /dev/null 2>&1; then as_root=sudo
  else
    echo "please install as root: apt-get install -y$missing" >&2
    return 1
  fi
  $as_root apt-get update -q > /dev/null 2>&1 || true
  DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -q --no-install-recommends $missing > .build-install.log 2>&1 ||
    { cat .build-install.log >&2; return 1; }
  rm -f .build-install.log
}

# A release binary that can be copied to another machine: Swift library, zstd and seccomp are inside.
build_release() {
  say "building the release binary"
  timeout "${BUILD_LIMIT:-1500}" swift build -c release --static-swift-stdlib --product replaysb || return 1
  REPLAYSB="$(swift build -c release --static-swift-stdlib --show-bin-path)/replaysb"
  export REPLAYSB
}
