// SPDX-License-Identifier: Apache-2.0
//
// Datagrams and ICMP echoes that probe a way over the network: sockets that never fragment and never wait.
// Addresses are 4 or 16 bytes, by family. Every function returns a result >= 0, or -errno.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// A UDP socket bound to an own address, for answering; the kernel sends nothing in pieces and ignores what it believes of path MTUs.
int meshgate_udp_bind(int family, const uint8_t *address, uint16_t port);
/// The same, connected to another's address, for asking.
int meshgate_udp_connect(int family, const uint8_t *address, uint16_t port);
/// The address that a socket sends from.
int meshgate_udp_local(int fd, uint8_t *address);
/// One datagram and who sent it; -EAGAIN when none is there.
int64_t meshgate_udp_receive(int fd, void *buffer, size_t capacity, uint8_t *from, uint16_t *port);
/// One datagram to somebody.
int64_t meshgate_udp_answer(int fd, int family, const void *bytes, size_t length, const uint8_t *to, uint16_t port);

/// A raw ICMP socket that receives echo replies and nothing else; needs CAP_NET_RAW.
int meshgate_icmp_open(int family);
/// An echo request with eight bytes of payload.
int meshgate_icmp_send(int fd, int family, const uint8_t *to, uint16_t identifier, uint16_t sequence, const uint8_t *payload);
/// One echo reply, from its ICMP header on; -EAGAIN when none is there.
int64_t meshgate_icmp_receive(int fd, int family, void *buffer, size_t capacity, uint8_t *from);
