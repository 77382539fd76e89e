# shellcheck shell=bash
# Sets up Strata in .venv. Sourced by packaging/run and packaging/test, never run by itself.
#
# What people may set:
#   STRATA_PYTHON  the Python to use (3.11 or newer); otherwise the newest fit one on the PATH
#   STRATA_GPU     cuda, vulkan or cpu: how llama.cpp is compiled. The choice is kept until another one is
#                  named; the first is cpu. cuda needs NVIDIA's CUDA toolkit (nvcc) on the PATH.
# pip takes packages from wherever its own settings (PIP_INDEX_URL, PIP_FIND_LINKS, pip.conf) say. On a machine
# without a GPU, point them at a CPU build of torch to save some gigabytes; Strata runs with either.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=$ROOT/.venv

say() { printf 'strata: %s\n' "$*" >&2; }

# stop CODE LINE...: say why, and end.
stop() {
    local code=$1 line
    shift
    for line in "$@"; do say "$line"; done
    exit "$code"
}

is_fit_python() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

# Print the first Python that is new enough; fail when there is none.
find_python() {
    local candidate
    for candidate in ${STRATA_PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if is_fit_python "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

# Stop where Python is too old; where there is none at all, apt can still bring it.
check_python() {
    local named=${STRATA_PYTHON:-python3} version
    if find_python >/dev/null || { [ "$named" = python3 ] && ! command -v python3 >/dev/null; }; then return; fi
    version=$("$named" -c 'import platform; print(platform.python_version())' 2>/dev/null || echo missing)
    stop 2 "Strata needs Python 3.11 or newer; $named is $version." \
        "Install one (for example the packages python3.12 and python3.12-venv), or set STRATA_PYTHON to its path."
}

# Debian keeps venv's ensurepip in a package of its own, named after the interpreter's version.
can_make_venv() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }
venv_package() { "$1" -c 'import sys; print("python3.%d-venv" % sys.version_info.minor)'; }

venv_works() {
    is_fit_python "$VENV/bin/python" && "$VENV/bin/python" -m pip --version >/dev/null 2>&1
}

has_library() { [[ $(PATH=$PATH:/sbin:/usr/sbin ldconfig -p) == *[[:space:]]"$1 "* ]]; }

# Releases since Debian 13 and Ubuntu 24.04 renamed glib; where both names are unknown the old one is provided.
glib_package() {
    if apt-cache show libglib2.0-0t64 >/dev/null 2>&1; then echo libglib2.0-0t64; else echo libglib2.0-0; fi
}

# missing_packages offscreen|window: print the apt packages that are not there yet, one a line.
missing_packages() {
    local python
    if python=$(find_python); then
        venv_works || can_make_venv "$python" || venv_package "$python"
    else
        printf '%s\n' python3 python3-venv
    fi
    has_library libGL.so.1 || echo libgl1
    has_library libEGL.so.1 || echo libegl1
    has_library libglib-2.0.so.0 || glib_package
    has_library libfontconfig.so.1 || echo libfontconfig1
    has_library libxkbcommon.so.0 || echo libxkbcommon0
    has_library libdbus-1.so.3 || echo libdbus-1-3
    if [ "$1" = window ]; then
        has_library libxcb-cursor.so.0 || echo libxcb-cursor0
        has_library libxkbcommon-x11.so.0 || echo libxkbcommon-x11-0
        has_library libxcb-icccm.so.4 || echo libxcb-icccm4
        has_library libxcb-keysyms.so.1 || echo libxcb-keysyms1
        has_library libxcb-shape.so.0 || echo libxcb-shape0
    fi
    # llama-cpp-python comes as source; it brings cmake and ninja itself where the system has none.
    command -v c++ >/dev/null || echo g++
}

# install_system offscreen|window: what pip cannot do. Exit code 2 when a person has to do it.
install_system() {
    local -a packages as_root
    mapfile -t packages < <(missing_packages "$1")
    [ "${#packages[@]}" -gt 0 ] || return 0
    command -v apt-get >/dev/null ||
        stop 2 "these are missing, and there is no apt-get to install them: ${packages[*]}" \
            "Install what they are called on this system, then start again."
    if [ "$(id -u)" = 0 ]; then
        as_root=(env)
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        as_root=(sudo -n env)
    else
        say "some system packages are missing. Run this line, then start again:"
        printf 'sudo apt-get update && sudo apt-get install -y --no-install-recommends %s\n' "${packages[*]}"
        exit 2
    fi
    say "installing system packages: ${packages[*]}"
    "${as_root[@]}" apt-get update -qq >/dev/null || say "apt-get update failed; trying with the lists that are here."
    # The names may differ now that the lists are here.
    mapfile -t packages < <(missing_packages "$1")
    "${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null ||
        stop 1 "apt-get could not install: ${packages[*]}" "Its own message is above. Mend that, then start again."
}

# Make .venv, or make it anew when its Python is gone, too old or without pip.
make_venv() {
    local python
    if venv_works; then return; fi
    check_python
    python=$(find_python) || stop 1 "there is no python3, though apt-get should have brought it."
    say "making the virtual environment .venv with $python"
    "$python" -m venv --clear "$VENV" >&2 ||
        stop 1 "the virtual environment could not be made in $VENV." "Python's own message is above."
}

# The CMAKE_ARGS of a STRATA_GPU value.
gpu_cmake_args() {
    case $1 in
    cpu) ;;
    cuda)
        command -v nvcc >/dev/null || stop 2 "STRATA_GPU=cuda needs the CUDA toolkit, and nvcc is not on the PATH." \
            "Install the toolkit or add its bin folder to PATH; STRATA_GPU=cpu builds without it."
        echo "-DGGML_CUDA=on"
        ;;
    vulkan) echo "-DGGML_VULKAN=on" ;;
    *) stop 2 "STRATA_GPU=$1 is unknown. It may be cuda, vulkan or cpu." ;;
    esac
}

# What the installation was made from; a moved folder or an edited pyproject.toml changes it.
fingerprint() {
    { echo "$ROOT $1" && "$VENV/bin/python" --version && cat "$ROOT/pyproject.toml"; } | sha256sum
}

# pip keeps what it compiled under the package's name alone, so only the plain CPU build may come from there.
pip_install() {
    local -a options=(--no-binary llama-cpp-python)
    [ "$GPU" = cpu ] || options+=(--no-cache-dir)
    "$VENV/bin/python" -m pip install "${options[@]}" "$@" >&2 && return
    stop 1 "pip could not install everything; its own message is above." \
        "Without network: connect, or point PIP_INDEX_URL or PIP_FIND_LINKS at a place that has the packages." \
        "Then start again: it goes on from what is there."
}

# install_project EXTRAS: the project itself, editable, with llama.cpp compiled for this machine.
install_project() {
    local cmake_args built requirement
    cmake_args=$(gpu_cmake_args "$GPU") || exit
    built=$(cat "$VENV/.strata-gpu" 2>/dev/null || echo cpu)
    export CMAKE_ARGS="${CMAKE_ARGS:-} $cmake_args"
    if [ "$GPU" != "$built" ]; then
        say "compiling llama.cpp for $GPU: some minutes"
        requirement=$("$VENV/bin/python" -c 'import sys, tomllib
needed = tomllib.load(open(sys.argv[1], "rb"))["project"]["dependencies"]
print(next(line for line in needed if line.startswith("llama-cpp-python")))' "$ROOT/pyproject.toml")
        pip_install --force-reinstall --no-deps "$requirement"
        echo "$GPU" >"$VENV/.strata-gpu"
    fi
    say "installing Strata's packages: 5 to 15 minutes the first time, most of it compiling llama.cpp"
    pip_install --editable "$ROOT$1"
}

# set_up offscreen|window EXTRAS ('' or '[test]'): all of it; nothing but a look when it is there already.
set_up() {
    local kind=$1 extras=$2 stamp
    mkdir -p "$VENV" 2>/dev/null || stop 2 "$ROOT cannot be written to, and .venv has to go there."
    exec 9>"$VENV/.strata-lock"
    ! command -v flock >/dev/null || flock 9
    GPU=${STRATA_GPU:-$(cat "$VENV/.strata-gpu" 2>/dev/null || echo cpu)}
    stamp=$VENV/.strata-stamp-$kind
    if [ ! -x "$VENV/bin/python" ] || [ "$(cat "$stamp" 2>/dev/null)" != "$(fingerprint "$kind $GPU")" ]; then
        check_python
        install_system "$kind"
        make_venv
        install_project "$extras"
        fingerprint "$kind $GPU" >"$stamp"
    fi
    exec 9>&-
}
