// SPDX-License-Identifier: Apache-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "CLinuxFrames.h"
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static int given_up(int fd) {
    int problem = errno;
    close(fd);
    return -problem;
}

/// ARP at the first, second or third place of an Ethernet type: behind up to two tags that are still in the frame.
static int arp_only(int fd) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_ARP, 8, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_8021Q, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_8021AD, 0, 7),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 16),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_ARP, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_8021Q, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_8021AD, 0, 3),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 20),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_ARP, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0xffff),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

int meshgate_frames_open(const char *link, uint8_t *mac) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    if (strlen(link) >= sizeof request.ifr_name) return -ENODEV;
    strcpy(request.ifr_name, link);
    // With no protocol nothing is received before the filter is there.
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    if (ioctl(fd, SIOCGIFINDEX, &request) < 0) return given_up(fd);
    struct sockaddr_ll name = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = request.ifr_ifindex};
    if (ioctl(fd, SIOCGIFHWADDR, &request) < 0) return given_up(fd);
    if (request.ifr_hwaddr.sa_family != ARPHRD_ETHER) {
        errno = ENOTSUP;
        return given_up(fd);
    }
    memcpy(mac, request.ifr_hwaddr.sa_data, 6);
    if (ioctl(fd, SIOCGIFFLAGS, &request) < 0) return given_up(fd);
    if (!(request.ifr_flags & IFF_UP)) {
        errno = ENETDOWN;
        return given_up(fd);
    }
    int on = 1;
    // Hardware drops frames of VLANs that the host has no link for, unless it takes all.
    struct packet_mreq all = {.mr_ifindex = name.sll_ifindex, .mr_type = PACKET_MR_PROMISC};
    if (arp_only(fd) < 0 || setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on) < 0 ||
        bind(fd, (struct sockaddr *)&name, sizeof name) < 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all) < 0)
        return given_up(fd);
    return fd;
}

int64_t meshgate_frames_send(int fd, const void *frame, size_t length) {
    ssize_t sent = send(fd, frame, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? -errno : sent;
}

int64_t meshgate_frames_receive(int fd, void *buffer, size_t capacity, int64_t *tag) {
    for (;;) {
        struct sockaddr_ll from;
        union {
            struct cmsghdr header;
            char room[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
        } control;
        struct iovec piece = {.iov_base = buffer, .iov_len = capacity};
        struct msghdr message = {
            .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control,
            .msg_controllen = sizeof control,
        };
        ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT);
        if (got < 0) return -errno;
        // What this host sends itself comes by, too.
        if (message.msg_namelen >= sizeof from && from.sll_pkttype == PACKET_OUTGOING) continue;
        *tag = -1;
        for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
            if (part->cmsg_level != SOL_PACKET || part->cmsg_type != PACKET_AUXDATA ||
                part->cmsg_len < CMSG_LEN(sizeof(struct tpacket_auxdata)))
                continue;
            struct tpacket_auxdata told;
            memcpy(&told, CMSG_DATA(part), sizeof told);
            if (!(told.tp_status & TP_STATUS_VLAN_VALID)) continue;
            uint16_t kind = told.tp_status & TP_STATUS_VLAN_TPID_VALID ? told.tp_vlan_tpid : ETH_P_8021Q;
            *tag = (int64_t)kind << 16 | told.tp_vlan_tci;
        }
        return got;
    }
}
