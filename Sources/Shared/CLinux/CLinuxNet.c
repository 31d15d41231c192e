// SPDX-License-Identifier: Apache-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "CLinuxNet.h"
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <unistd.h>
// After netinet/in.h, whose definitions they would make a second time.
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

static int netlink_open(int protocol) {
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    if (fd < 0) return -errno;
    struct timeval limit = {.tv_sec = 2};
    struct sockaddr_nl address = {.nl_family = AF_NETLINK};
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        int problem = errno;
        close(fd);
        return -problem;
    }
    return fd;
}

int meshgate_netlink_open(void) { return netlink_open(NETLINK_ROUTE); }

int meshgate_nftables_open(void) { return netlink_open(NETLINK_NETFILTER); }

int meshgate_netlink_subscribe(void) {
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (fd < 0) return -errno;
    struct sockaddr_nl address = {
        .nl_family = AF_NETLINK,
        .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE,
    };
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        int problem = errno;
        close(fd);
        return -problem;
    }
    return fd;
}

static int netlink_send(int fd, const void *request, size_t length) {
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    ssize_t sent = sendto(fd, request, length, 0, (struct sockaddr *)&kernel, sizeof kernel);
    return sent < 0 ? -errno : 0;
}

int meshgate_netlink_dump(int fd, uint16_t type, uint8_t family, uint32_t sequence) {
    // ifinfomsg is the longest of the three headers, and the kernel accepts the longer request for each of them.
    struct {
        struct nlmsghdr header;
        struct ifinfomsg body;
    } request = {
        .header = {.nlmsg_len = sizeof request, .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP, .nlmsg_seq = sequence},
        .body = {.ifi_family = family},
    };
    return netlink_send(fd, &request, sizeof request);
}

int meshgate_netlink_dump_bridge_vlans(int fd, uint32_t sequence) {
    struct {
        struct nlmsghdr header;
        struct ifinfomsg body;
        struct rtattr attribute;
        uint32_t mask;
    } request = {
        .header = {.nlmsg_len = sizeof request, .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP, .nlmsg_seq = sequence},
        .body = {.ifi_family = AF_BRIDGE},
        .attribute = {.rta_len = RTA_LENGTH(sizeof(uint32_t)), .rta_type = IFLA_EXT_MASK},
        .mask = RTEXT_FILTER_BRVLAN_COMPRESSED,
    };
    return netlink_send(fd, &request, sizeof request);
}

int meshgate_netlink_dump_traffic(int fd, uint16_t type, int32_t ifindex, uint32_t parent, uint32_t sequence) {
    struct {
        struct nlmsghdr header;
        struct tcmsg body;
    } request = {
        .header = {.nlmsg_len = sizeof request, .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP, .nlmsg_seq = sequence},
        .body = {.tcm_family = AF_UNSPEC, .tcm_ifindex = ifindex, .tcm_parent = parent},
    };
    return netlink_send(fd, &request, sizeof request);
}

int meshgate_nftables_dump_chains(int fd, uint32_t sequence) {
    struct {
        struct nlmsghdr header;
        struct nfgenmsg body;
    } request = {
        .header = {
            .nlmsg_len = sizeof request,
            .nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN,
            .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
            .nlmsg_seq = sequence,
        },
        .body = {.nfgen_family = NFPROTO_UNSPEC, .version = NFNETLINK_V0},
    };
    return netlink_send(fd, &request, sizeof request);
}

int64_t meshgate_netlink_receive(int fd, void *buffer, size_t capacity) {
    struct sockaddr_nl from;
    struct iovec piece = {.iov_base = buffer, .iov_len = capacity};
    struct msghdr message = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &piece, .msg_iovlen = 1};
    ssize_t got;
    do {
        got = recvmsg(fd, &message, 0);
    } while (got < 0 && errno == EINTR);
    if (got < 0) return -errno;
    if (message.msg_flags & MSG_TRUNC) return -EMSGSIZE;
    if (message.msg_namelen != sizeof from || from.nl_pid != 0) return -EPROTO;
    return got;
}

int meshgate_connect_begin(int family, const uint8_t *address, uint16_t port, int *done) {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } target;
    socklen_t length;
    memset(&target, 0, sizeof target);
    if (family == AF_INET) {
        target.v4.sin_family = AF_INET;
        target.v4.sin_port = htons(port);
        memcpy(&target.v4.sin_addr, address, 4);
        length = sizeof target.v4;
    } else if (family == AF_INET6) {
        target.v6.sin6_family = AF_INET6;
        target.v6.sin6_port = htons(port);
        memcpy(&target.v6.sin6_addr, address, 16);
        length = sizeof target.v6;
    } else {
        return -EAFNOSUPPORT;
    }
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    *done = 1;
    if (connect(fd, &target.any, length) == 0) return fd;
    int problem = errno;
    if (problem == EINPROGRESS || problem == EINTR) {
        *done = 0;
        return fd;
    }
    close(fd);
    return -problem;
}

int meshgate_connect_outcome(int fd) {
    int problem = 0;
    socklen_t length = sizeof problem;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &length) < 0) return -errno;
    if (problem != 0) return -problem;
    // A connect to an own address whose port lies in the ephemeral range (Talos' 50000 does) can meet itself: nobody listens there.
    union {
        struct sockaddr any;
        struct sockaddr_in6 v6;
    } here, there;
    memset(&here, 0, sizeof here);
    memset(&there, 0, sizeof there);
    socklen_t ours = sizeof here, theirs = sizeof there;
    if (getsockname(fd, &here.any, &ours) < 0 || getpeername(fd, &there.any, &theirs) < 0) return -errno;
    if (ours == theirs && memcmp(&here, &there, ours) == 0) return -ECONNREFUSED;
    return 0;
}

int meshgate_clock_synchronised(void) {
    struct timex state = {.modes = 0};
    int answer = adjtimex(&state);
    if (answer < 0) return -errno;
    return answer != TIME_ERROR && !(state.status & STA_UNSYNC);
}
