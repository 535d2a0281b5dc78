#!/bin/sh
# isp-pppoe FIRST: takes calls over PPPoE in VLAN 7, gives the first caller this address, and knows nothing of
# earlier ones; isp-pppoe off: takes none.
set -e
if [ -e /run/pppoe-server.pid ]; then
    pid=$(cat /run/pppoe-server.pid)
    # It says goodbye to all callers first.
    kill "$pid"
    while [ -e "/proc/$pid" ]; do usleep 1000; done
    rm -f /run/pppoe-server.pid
fi
[ "$1" != off ] || exit 0
# It goes into the background by itself.
pppoe-server -I eth0.7 -C isp -L 198.51.100.1 -R "$1" -N 4 -X /run/pppoe-server.pid
