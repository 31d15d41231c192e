// SPDX-License-Identifier: Apache-2.0
//
// Ethernet frames by AF_PACKET, with the VLAN tags that the kernel or the hardware took off. Every function returns a result >= 0, or -errno.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// A socket on an Ethernet link that sends whole frames and receives ARP, whatever tags it has, also in VLANs that the host has no link for:
/// the link is in promiscuous mode as long as the socket is open. `mac` gets the link's 6 bytes. Needs CAP_NET_RAW. -ENOTSUP for a link that
/// is no Ethernet, -ENETDOWN for one that is down.
int meshgate_frames_open(const char *link, uint8_t *mac);
/// One frame, from its Ethernet header on.
int64_t meshgate_frames_send(int fd, const void *frame, size_t length);
/// One frame of another machine; -EAGAIN when none is there. `*tag` is the tag that was taken off (TCI, with the TPID above its 16 bits), or -1.
int64_t meshgate_frames_receive(int fd, void *buffer, size_t capacity, int64_t *tag);
