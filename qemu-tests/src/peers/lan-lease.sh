#!/bin/sh
# lan-lease: gets an address from the router's DHCP server and prints it.
exec udhcpc -f -q -n -t 20 -T 1 -i eth1 -s /etc/udhcpc.script
