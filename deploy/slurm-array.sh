#!/bin/sh
# A sweep in 4 parts, each a task of a Slurm array. A task that is requeued goes on where it was, and so does one that is
# sent again by itself (`sbatch --array=2 deploy/slurm-array.sh`).
#
#     export STUDY=$PWD/study RESULTS=$PWD/results
#     sweep=$(sbatch --parsable deploy/slurm-array.sh)
#     sbatch --dependency=afterok:$sweep --wrap="meshcast report $RESULTS/part-0 $RESULTS/part-1 $RESULTS/part-2 $RESULTS/part-3 --out=$RESULTS/whole --exit-zero"
#
#SBATCH --job-name=meshcast-sweep
#SBATCH --array=0-3
#SBATCH --cpus-per-task=2
#SBATCH --mem=256M
#SBATCH --time=01:00:00
#SBATCH --requeue
set -eu
# As many as the array has above, however many tasks this call of sbatch has.
parts=4
exec meshcast sweep \
    --scenario="${STUDY:-/study}/scenario.yaml" \
    --vary=load=0.5x..2x \
    --vary=workloads.app.replicas=1..4 \
    --jobs="${SLURM_CPUS_PER_TASK:-2}" \
    --shard="$SLURM_ARRAY_TASK_ID/$parts" \
    --out="${RESULTS:-/results}/part-$SLURM_ARRAY_TASK_ID"
