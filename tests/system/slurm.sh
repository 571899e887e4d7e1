#!/usr/bin/env bash
# A real Slurm of two nodes on this machine, from Debian's packages; needs root, no systemd.
#   tests/system/slurm.sh up DIR      installs what is missing, starts it, says what nodes it has
#   tests/system/slurm.sh down DIR    stops what `up DIR` started
# There is no accounting: Snakemake asks squeue. Memory is polled each second and enforced.
set -euo pipefail
DIR=$(realpath -m "${2:?say: slurm.sh up DIR, or down DIR}")
export PATH=$PATH:/usr/sbin:/sbin
HOST=$(hostname -s)
NODES=(one two)

running() { [ -s "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null; }

down() {
  running "$DIR/slurmctld.pid" && timeout 10 scancel -u "$(id -un)" 2>/dev/null && sleep 1
  for name in slurmd-one slurmd-two slurmctld munged; do
    running "$DIR/$name.pid" || continue
    local pid; pid=$(cat "$DIR/$name.pid")
    kill "$pid"
    for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    kill -9 "$pid" 2>/dev/null || true
  done
  for file in slurm.conf gres.conf; do
    [ "$(readlink /etc/slurm/$file)" = "$DIR/$file" ] && rm -f /etc/slurm/$file
  done
  true
}

install_packages() {
  local packages=(slurmctld slurmd slurm-client munge)
  dpkg -s "${packages[@]}" >/dev/null 2>&1 && return
  if [ ! -e /usr/sbin/policy-rc.d ]; then # apt is to start no service
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    "${packages[@]}" >/dev/null
}

configure() {
  # A Snakemake job step drops SLURM_CONF: the files must lie where Slurm looks by itself.
  mkdir -p /etc/slurm "$DIR"/{state,spool-one,spool-two}
  for file in slurm.conf gres.conf; do
    if [ -e /etc/slurm/$file ] && [ "$(readlink /etc/slurm/$file)" != "$DIR/$file" ]; then
      echo "error: /etc/slurm/$file is another Slurm's; this test needs a machine without one" >&2
      exit 1
    fi
    ln -sfn "$DIR/$file" /etc/slurm/$file
  done
  local memory; memory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.45)}' /proc/meminfo)
  cat >"$DIR/slurm.conf" <<END
ClusterName=test
SlurmctldHost=$HOST(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$DIR/munge.sock
SlurmctldPort=16817
StateSaveLocation=$DIR/state
SlurmdSpoolDir=$DIR/spool-%n
SlurmctldPidFile=$DIR/slurmctld.pid
SlurmdPidFile=$DIR/slurmd-%n.pid
SlurmctldLogFile=$DIR/slurmctld.log
SlurmdLogFile=$DIR/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
PropagateResourceLimits=NONE
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=100
GresTypes=gpu
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,bf_interval=1
MinJobAge=600
KillWait=5
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$DIR/jobs.txt
NodeName=one NodeHostname=$HOST NodeAddr=127.0.0.1 Port=16818 CPUs=2 RealMemory=$memory Gres=gpu:fake:1
NodeName=two NodeHostname=$HOST NodeAddr=127.0.0.1 Port=16819 CPUs=2 RealMemory=$memory
PartitionName=cpu Nodes=one,two Default=YES DefaultTime=10 MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=one DefaultTime=10 MaxTime=INFINITE State=UP
END
  printf 'AutoDetect=off\nNodeName=one Name=gpu Type=fake File=/dev/null\n' >"$DIR/gres.conf"
}

up() {
  install_packages
  mkdir -p "$DIR"
  chmod 755 "$DIR"
  configure
  [ -s "$DIR/munge.key" ] || head -c 1024 /dev/urandom >"$DIR/munge.key"
  chmod 400 "$DIR/munge.key"
  munged --force --key-file="$DIR/munge.key" --socket="$DIR/munge.sock" \
    --pid-file="$DIR/munged.pid" --log-file="$DIR/munged.log" --seed-file="$DIR/munge.seed"
  slurmctld
  for node in "${NODES[@]}"; do slurmd -N "$node"; done
  for _ in $(seq 200); do
    [ "$(sinfo -h -N -p cpu -o %T 2>/dev/null | grep -cx idle)" = ${#NODES[@]} ] && break
    sleep 0.2
  done
  sinfo -N -o '%N %P %T %c %m %G'
  [ "$(sinfo -h -N -p cpu -o %T | grep -cx idle)" = ${#NODES[@]} ]
}

case ${1:-} in
  up) up ;;
  down) down ;;
  *) echo "say: slurm.sh up DIR, or down DIR" >&2; exit 1 ;;
esac
