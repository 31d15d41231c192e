// SPDX-License-Identifier: Apache-2.0
//
// Reading side of rtnetlink, non-blocking TCP connects and the kernel's opinion of its clock.
// Every function returns a result >= 0, or -errno.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// A bound NETLINK_ROUTE socket whose reads give up after two seconds.
int meshgate_netlink_open(void);
/// A NETLINK_ROUTE socket that is told of every change of links, addresses and routes. It never waits: -EAGAIN when there is no news,
/// -ENOBUFS when news was lost.
int meshgate_netlink_subscribe(void);
/// Asks for a dump: `type` is RTM_GETLINK, RTM_GETADDR or RTM_GETROUTE, `family` an AF_ number or 0.
int meshgate_netlink_dump(int fd, uint16_t type, uint8_t family, uint32_t sequence);
/// Asks for the ports of all bridges with the VLANs that they carry, in ranges. The answers are RTM_NEWLINK of family AF_BRIDGE.
int meshgate_netlink_dump_bridge_vlans(int fd, uint32_t sequence);
/// Asks for queueing disciplines (RTM_GETQDISC, of all links with `ifindex` 0) or for the filters at `parent` of one link (RTM_GETTFILTER).
int meshgate_netlink_dump_traffic(int fd, uint16_t type, int32_t ifindex, uint32_t parent, uint32_t sequence);
/// One datagram of the kernel. -EMSGSIZE when it did not fit, -EPROTO when somebody else sent it.
int64_t meshgate_netlink_receive(int fd, void *buffer, size_t capacity);

/// A bound NETLINK_NETFILTER socket whose reads give up after two seconds.
int meshgate_nftables_open(void);
/// Asks for the chains of all tables of nftables. Needs CAP_NET_ADMIN; without it the answer is EPERM.
int meshgate_nftables_dump_chains(int fd, uint32_t sequence);

/// Begins a TCP connect without waiting. `address` is 4 or 16 bytes, `done` is set to 1 when it is already settled.
int meshgate_connect_begin(int family, const uint8_t *address, uint16_t port, int *done);
/// What became of it: 0 when connected, else -errno.
int meshgate_connect_outcome(int fd);

/// 1 when the kernel's clock is disciplined (adjtimex without STA_UNSYNC), else 0.
int meshgate_clock_synchronised(void);
