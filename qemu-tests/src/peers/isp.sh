#!/bin/sh
# The provider, over DHCP and over PPPoE: an address on the line to the router, and a host "in the internet" behind it.
ip address add 198.51.100.1/24 dev eth0
ip address add 203.0.113.1/32 dev lo
ip link set dev eth0 up
# Customers who dial in do so in a VLAN of its own.
ip link add link eth0 name eth0.7 type vlan id 7
ip link set dev eth0.7 up
# A test may want to be the one who lets it speak first.
case " $(cat /proc/cmdline) " in
    *" isp=silent "*) ;;
    *)
        isp-pool 198.51.100.100 198.51.100.109
        isp-pppoe 198.51.100.120
        ;;
esac
