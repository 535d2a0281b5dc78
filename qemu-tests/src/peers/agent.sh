#!/bin/sh
# Runs the lines that come in by the virtio-serial port called $1, one at a time, and answers each with its
# output and an end mark; the other half is qemu-tests/src/agent.rs.
ip link set dev lo up
sh "/etc/$1"

for port in /sys/class/virtio-ports/*; do
    if [ "$(cat "$port/name")" = "$1" ]; then
        device=/dev/${port##*/}
    fi
done
exec 3<>"$device"
echo ready >&3
while read -r number command <&3; do
    sh -c "$command" </dev/null >"/run/$1.out" 2>&1 3>&-
    code=$?
    cat "/run/$1.out" >&3
    printf '\nend %s %s\n' "$number" "$code" >&3
done
