#!/bin/sh
# Measure the mini preset on unseen puppets: all numbers of its model card.
#
#   sh tools/measure_mini.sh OUT [PRESET] [PAIRS]
#
# OUT receives the pairs, the reports (JSON) with a sheet per pair, and the comparisons (*.txt).
set -eu

out=$1 preset=${2:-mini} count=${3:-48}
tcan=${TCAN:-.venv/bin/tcan}
mkdir -p "$out"

evaluate() { # NAME PAIRS OPTIONS...
    name=$1 pairs=$2
    shift 2
    [ -s "$out/$name.json" ] || "$tcan" evaluate --pairs "$out/$pairs" --preset "$preset" --out "$out/$name.json" "$@"
}

compare() { # NAME BASE OTHER OPTIONS...
    name=$1 base=$2 other=$3
    shift 3
    "$tcan" compare "$out/$base.json" "$out/$other.json" "$@" | tee "$out/$name.txt"
}

# 1. Quality, with true poses and with those detected in the driving video, on three seeds.
for seed in 1000000 2000000 3000000; do
    [ -d "$out/$seed" ] || "$tcan" puppets render --seed $seed --count "$count" --frames 24 --out "$out/$seed"
    evaluate $seed $seed --driving both
    compare "$seed-over-repeating-the-source" $seed $seed --base-condition repeat_source
    compare "$seed-video-instead-of-poses" $seed $seed --base-condition pose --condition video
done

# 2. What stage 2 and the temperature map add.
evaluate stage1 1000000 --driving pose --no-motion
compare stage2-over-stage1 stage1 1000000
evaluate no-ptm 1000000 --driving pose --ptm-tau 0
compare ptm no-ptm 1000000

# 3. A tall and a chibi character in each pair: what retargeting adds.
[ -d "$out/crossed" ] || "$tcan" puppets render --seed 1000000 --count "$count" --frames 24 --proportions crossed --out "$out/crossed"
evaluate crossed crossed --driving pose
evaluate crossed-no-retarget crossed --driving pose --no-retarget
compare retarget crossed-no-retarget crossed
