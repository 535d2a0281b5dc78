#!/bin/sh
# PID 1 of the peers' machine. Two parties live in it, apart from each other: the internet provider in the
# first network namespace with eth0, and a client in the LAN in a second one with eth1.
export PATH=/usr/sbin:/usr/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir /dev/pts
mount -t devpts devpts /dev/pts
# shellcheck disable=SC2046 # a list of names
modprobe -a $(cat /etc/modules)

mkfifo /run/inside /run/moved
# shellcheck disable=SC2016 # for the inner shell
unshare -n sh -c 'echo $$ >/run/inside; read -r _ </run/moved; exec sh /etc/agent lan' &
read -r inside </run/inside
ip link set dev eth1 netns "$inside"
echo >/run/moved

exec sh /etc/agent isp
