#!/bin/sh
# The client: its address comes from the router, by the command lan-lease.
ip link set dev eth1 up
