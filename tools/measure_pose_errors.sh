#!/bin/sh
# Measure what wrong poses cost, with cleaning and without, with the temporal ControlNet and without.
#
#   sh tools/measure_pose_errors.sh OUT [PRESET] [PAIRS]
#
# OUT receives the pairs, the reports (JSON) with a sheet per pair, and the comparisons (*.txt).
set -eu

out=$1 preset=${2:-mini} count=${3:-48}
tcan=${TCAN:-.venv/bin/tcan}
errors="--drop-joints 0.3 --throw-joints 0.05"
mkdir -p "$out"

evaluate() { # NAME PAIRS OPTIONS...
    name=$1 pairs=$2
    shift 2
    [ -s "$out/$name.json" ] || "$tcan" evaluate --pairs "$out/$pairs" --preset "$preset" --driving pose --out "$out/$name.json" "$@"
}

compare() { # NAME BASE OTHER
    "$tcan" compare "$out/$2.json" "$out/$3.json" | tee "$out/$1.txt"
}

# 1. What is left of the errors after cleaning, on three seeds.
for seed in 1000000 2000000 3000000; do
    [ -d "$out/$seed" ] || "$tcan" puppets render --seed $seed --count "$count" --frames 24 --out "$out/$seed"
    evaluate "$seed-clean" $seed
    evaluate "$seed-errors" $seed $errors
    compare "$seed-errors" "$seed-clean" "$seed-errors"
done

# 2. Without cleaning, and without the temporal ControlNet.
evaluate no-cleaning 1000000 $errors --no-cleaning
compare no-cleaning 1000000-clean no-cleaning
evaluate no-temporal 1000000 $errors --no-temporal-controlnet
compare no-temporal 1000000-clean no-temporal

# 3. The paper's experiment 5, under the errors as they are: ControlNet without temporal layers, with
# them, with them and the temperature map.
evaluate plain 1000000 $errors --no-cleaning --no-temporal-controlnet --ptm-tau 0
evaluate temporal 1000000 $errors --no-cleaning --ptm-tau 0
compare temporal-over-plain plain temporal
compare ptm-over-temporal temporal no-cleaning
