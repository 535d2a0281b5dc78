#!/bin/sh
# isp-pool FIRST LAST: hands out these addresses from now on, and knows nothing of earlier leases.
set -e
if [ -e /run/dnsmasq.pid ]; then
    pid=$(cat /run/dnsmasq.pid)
    kill "$pid"
    # It removes the file when it has let go of its port.
    while [ -e "/proc/$pid" ]; do usleep 1000; done
    rm -f /run/leases
fi
dnsmasq --conf-file=/etc/dnsmasq.conf --dhcp-range="$1,$2,255.255.255.0,1h"
