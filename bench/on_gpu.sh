#!/usr/bin/env bash
# All that wants an NVIDIA GPU, the figures that matter most first, in less than 15 minutes.
#
#     bench/on_gpu.sh FOLDER [STEP...]      # PYTHON=... chooses the interpreter
#
# Without steps all of them run: kernels int4 fp8 keystrokes tests bf16 nvfp4 blocks. Each has a time limit of its own
# and writes FOLDER/STEP.log; FOLDER/summary.txt has a line for each. What fails or takes too long stops no other step;
# the exit status is then 1. Nothing is fetched: weights are random.
set -u
[ $# -ge 1 ] || { echo "usage: $0 FOLDER [kernels int4 fp8 keystrokes tests bf16 nvfp4 blocks]" >&2; exit 2; }
mkdir -p "$1" && out=$(cd "$1" && pwd) || exit 2
shift
cd "$(dirname "$0")/.." || exit 2
python=${PYTHON:-python3}
# This checkout, whatever is installed: links make the packages look as they are installed.
mkdir -p build/types/lacuna
ln -sfn ../../../engine build/types/lacuna/engine
ln -sfn ../../../lsp_server build/types/lacuna/lsp_server
export PYTHONPATH="$PWD/build/types${PYTHONPATH:+:$PYTHONPATH}"
failed=0

step() { # name, seconds, command
    local name=$1 limit=$2 start=$SECONDS code
    shift 2
    timeout --kill-after=10 "$limit" "$@" >"$out/$name.log" 2>&1
    code=$?
    [ $code -eq 0 ] || failed=1
    echo "$name: exit $code after $((SECONDS - start)) s of $limit: $(tail -n 1 "$out/$name.log" | cut -c1-600)" |
        tee -a "$out/summary.txt"
}

for name in "${@:-kernels int4 fp8 keystrokes tests bf16 nvfp4 blocks}"; do
    for one in $name; do
        case $one in
        kernels) step kernels 100 "$python" bench/kernels_here.py ;;
        int4 | fp8 | nvfp4) step "$one" 120 "$python" bench/published_size.py --forms "$one" --rounds 3 ;;
        bf16) step bf16 150 "$python" bench/published_size.py --forms bf16 --rounds 3 ;;
        keystrokes) step keystrokes 90 "$python" bench/keystrokes.py --device cuda --random ;;
        tests) step tests 100 "$python" -m pytest -q -p no:xdist -m "gpu and not weights" tests/engine ;;
        blocks) step blocks 90 "$python" bench/kernel_blocks.py ;;
        *) echo "$one is no step" >&2; failed=1 ;;
        esac
    done
done
exit $failed
