// SPDX-License-Identifier: Apache-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "CLinuxWire.h"
#include <errno.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union name {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t name_of(union name *name, int family, const uint8_t *address, uint16_t port) {
    memset(name, 0, sizeof *name);
    if (family == AF_INET) {
        name->v4.sin_family = AF_INET;
        name->v4.sin_port = htons(port);
        memcpy(&name->v4.sin_addr, address, 4);
        return sizeof name->v4;
    }
    name->v6.sin6_family = AF_INET6;
    name->v6.sin6_port = htons(port);
    memcpy(&name->v6.sin6_addr, address, 16);
    return sizeof name->v6;
}

static void bytes_of(const union name *name, uint8_t *address, uint16_t *port) {
    if (name->any.sa_family == AF_INET) {
        memcpy(address, &name->v4.sin_addr, 4);
        if (port) *port = ntohs(name->v4.sin_port);
    } else {
        memcpy(address, &name->v6.sin6_addr, 16);
        if (port) *port = ntohs(name->v6.sin6_port);
    }
}

static int given_up(int fd) {
    int problem = errno;
    close(fd);
    return -problem;
}

static int udp_socket(int family) {
    if (family != AF_INET && family != AF_INET6) return -EAFNOSUPPORT;
    int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    // PROBE: set DF, and do not believe a cached path MTU; it is just what is to be found out.
    int probe = family == AF_INET ? IP_PMTUDISC_PROBE : IPV6_PMTUDISC_PROBE;
    int failed = family == AF_INET ? setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &probe, sizeof probe)
                                   : setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &probe, sizeof probe);
    return failed ? given_up(fd) : fd;
}

int meshgate_udp_bind(int family, const uint8_t *address, uint16_t port) {
    union name name;
    int fd = udp_socket(family);
    if (fd < 0) return fd;
    socklen_t length = name_of(&name, family, address, port);
    return bind(fd, &name.any, length) < 0 ? given_up(fd) : fd;
}

int meshgate_udp_connect(int family, const uint8_t *address, uint16_t port) {
    union name name;
    int fd = udp_socket(family);
    if (fd < 0) return fd;
    socklen_t length = name_of(&name, family, address, port);
    return connect(fd, &name.any, length) < 0 ? given_up(fd) : fd;
}

int meshgate_udp_local(int fd, uint8_t *address) {
    union name name;
    socklen_t length = sizeof name;
    memset(&name, 0, sizeof name);
    if (getsockname(fd, &name.any, &length) < 0) return -errno;
    bytes_of(&name, address, NULL);
    return 0;
}

int64_t meshgate_udp_receive(int fd, void *buffer, size_t capacity, uint8_t *from, uint16_t *port) {
    union name name;
    socklen_t length = sizeof name;
    memset(&name, 0, sizeof name);
    ssize_t got = recvfrom(fd, buffer, capacity, MSG_DONTWAIT, &name.any, &length);
    if (got < 0) return -errno;
    bytes_of(&name, from, port);
    return got;
}

int64_t meshgate_udp_answer(int fd, int family, const void *bytes, size_t length, const uint8_t *to, uint16_t port) {
    union name name;
    socklen_t size = name_of(&name, family, to, port);
    ssize_t sent = sendto(fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL, &name.any, size);
    return sent < 0 ? -errno : sent;
}

int meshgate_icmp_open(int family) {
    int fd = socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, family == AF_INET ? IPPROTO_ICMP : (int)IPPROTO_ICMPV6);
    if (fd < 0) return -errno;
    int failed;
    if (family == AF_INET) {
        struct icmp_filter filter = {.data = ~(1u << ICMP_ECHOREPLY)};
        failed = setsockopt(fd, SOL_RAW, ICMP_FILTER, &filter, sizeof filter);
    } else {
        struct icmp6_filter filter;
        ICMP6_FILTER_SETBLOCKALL(&filter);
        ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
        failed = setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter);
    }
    return failed ? given_up(fd) : fd;
}

static uint16_t checksum(const uint8_t *bytes, size_t length) {
    uint32_t sum = 0;
    for (size_t i = 0; i + 1 < length; i += 2) sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

int meshgate_icmp_send(int fd, int family, const uint8_t *to, uint16_t identifier, uint16_t sequence, const uint8_t *payload) {
    uint8_t packet[16] = {
        family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST, 0, 0, 0, identifier >> 8, identifier & 0xff, sequence >> 8, sequence & 0xff,
    };
    memcpy(packet + 8, payload, 8);
    // For ICMPv6 the kernel fills it in, because it covers addresses that only the kernel knows yet.
    if (family == AF_INET) {
        uint16_t sum = checksum(packet, sizeof packet);
        packet[2] = sum >> 8;
        packet[3] = sum & 0xff;
    }
    union name name;
    socklen_t length = name_of(&name, family, to, 0);
    ssize_t sent = sendto(fd, packet, sizeof packet, MSG_DONTWAIT | MSG_NOSIGNAL, &name.any, length);
    return sent < 0 ? -errno : 0;
}

int64_t meshgate_icmp_receive(int fd, int family, void *buffer, size_t capacity, uint8_t *from) {
    uint8_t packet[2048];
    union name name;
    socklen_t length = sizeof name;
    memset(&name, 0, sizeof name);
    ssize_t got = recvfrom(fd, packet, sizeof packet, MSG_DONTWAIT, &name.any, &length);
    if (got < 0) return -errno;
    bytes_of(&name, from, NULL);
    // A raw IPv4 socket gives the IP header too; its length is in the low half of the first byte, in words.
    size_t skip = family == AF_INET && got > 0 ? (size_t)(packet[0] & 0x0f) * 4 : 0;
    if (skip > (size_t)got) return -EBADMSG;
    size_t rest = (size_t)got - skip;
    if (rest > capacity) rest = capacity;
    memcpy(buffer, packet + skip, rest);
    return (int64_t)rest;
}
