// SPDX-License-Identifier: Apache-2.0
//
// TCP connections from connect to end, segments sent again, and packets that the kernel drops, with its reason.
#pragma once
#include "books.h"

enum { AF_INET = 2, AF_INET6 = 10, IPPROTO_TCP = 6, IPPROTO_UDP = 17, ETH_P_IP = 0x0800, ETH_P_IPV6 = 0x86dd };
enum { TCP_ESTABLISHED = 1, TCP_SYN_SENT = 2, TCP_SYN_RECV = 3, TCP_CLOSE = 7, TCP_LISTEN = 10 };
// A tenth of a second on one CPU; a flood is counted, not told packet by packet.
// Of drops so many are told of each kind, that none hides another, and so many in all, that they leave the ring to others.
enum { MOST_RETRANSMITS = 50, MOST_DROPS = 20, MOST_DROPS_IN_ALL = 200 };

struct connecting {
    uint64_t since;
    uint32_t pid, uid;
    char comm[TRACE_COMM];
};

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 8192);
    __type(key, uint64_t);  // the socket's address
    __type(value, struct connecting);
} connections SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
    __uint(max_entries, 1024);
    __type(key, struct trace_drop_key);
    __type(value, struct trace_drop_count);
} drops SEC(".maps");

static __always_inline uint16_t swapped(uint16_t value) { return __builtin_bswap16(value); }

static __always_inline int socket_is_elsewhere(struct sock *sock) {
    return given.only_netns && is_elsewhere(BPF_CORE_READ(sock, __sk_common.skc_net.net, ns.inum));
}

static __always_inline void flow_of(struct trace_flow *flow, struct sock *sock) {
    __builtin_memset(flow, 0, sizeof(*flow));
    uint16_t family = BPF_CORE_READ(sock, __sk_common.skc_family);
    flow->source_port = BPF_CORE_READ(sock, __sk_common.skc_num);
    // A socket that closes has given its port back already, and keeps it here only.
    if (!flow->source_port) flow->source_port = swapped(BPF_CORE_READ((struct inet_sock *)sock, inet_sport));
    flow->destination_port = swapped(BPF_CORE_READ(sock, __sk_common.skc_dport));
    flow->protocol = IPPROTO_TCP;
    flow->netns = BPF_CORE_READ(sock, __sk_common.skc_net.net, ns.inum);
    if (family == AF_INET) {
        flow->version = 4;
        BPF_CORE_READ_INTO((uint32_t *)flow->source, sock, __sk_common.skc_rcv_saddr);
        BPF_CORE_READ_INTO((uint32_t *)flow->destination, sock, __sk_common.skc_daddr);
    } else if (family == AF_INET6) {
        flow->version = 6;
        BPF_CORE_READ_INTO(&flow->source, sock, __sk_common.skc_v6_rcv_saddr);
        BPF_CORE_READ_INTO(&flow->destination, sock, __sk_common.skc_v6_daddr);
    }
}

static __always_inline void figures_of(struct trace_tcp *record, struct sock *sock) {
    struct tcp_sock *tcp = (void *)sock;
    record->error = BPF_CORE_READ(sock, sk_err);
    record->retransmits = BPF_CORE_READ(tcp, total_retrans);
    record->sent = BPF_CORE_READ(tcp, bytes_acked);
    record->received = BPF_CORE_READ(tcp, bytes_received);
}

static __always_inline void owner_of(struct trace_tcp *record, const struct connecting *owner) {
    if (owner) {
        record->elapsed = record->header.time - owner->since;
        record->pid = owner->pid;
        record->uid = owner->uid;
        __builtin_memcpy(record->comm, owner->comm, sizeof(record->comm));
    } else {
        record->elapsed = 0;
        record->pid = 0;
        record->uid = 0;
        __builtin_memset(record->comm, 0, sizeof(record->comm));
    }
}

SEC("tp_btf/inet_sock_set_state")
int trace_tcp_state(uint64_t *context) {
    struct sock *sock = (void *)context[0];
    int from = (int)context[1], to = (int)context[2];
    uint64_t key = (uint64_t)sock;
    if (BPF_CORE_READ(sock, sk_protocol) != IPPROTO_TCP) return 0;
    if (socket_is_elsewhere(sock)) return 0;
    if (to == TCP_SYN_SENT) {
        // The one state that is entered by the process itself; all later ones may come from whatever was running when a packet arrived.
        struct connecting owner = {.since = bpf_ktime_get_boot_ns(), .pid = bpf_get_current_pid_tgid() >> 32};
        owner.uid = (uint32_t)bpf_get_current_uid_gid();
        bpf_get_current_comm(owner.comm, sizeof(owner.comm));
        bpf_map_update_elem(&connections, &key, &owner, BPF_ANY);
    } else if (to != TCP_ESTABLISHED && to != TCP_CLOSE && to != TCP_LISTEN) {
        return 0;  // The steps of a closing say nothing that its end does not.
    }
    struct connecting *owner = bpf_map_lookup_elem(&connections, &key);
    // Nobody here connected a socket that was accepted: this is what an earlier one at its address left, whose end was missed.
    if (owner && from == TCP_SYN_RECV) {
        bpf_map_delete_elem(&connections, &key);
        owner = 0;
    }
    struct trace_counters *books = books_of(TRACE_PROGRAM_TCP_STATE);
    if (books) {
        struct trace_tcp *record = begin(books, sizeof(*record), TRACE_TCP_STATE, 0);
        if (record) {
            flow_of(&record->flow, sock);
            owner_of(record, owner);
            figures_of(record, sock);
            record->old_state = from;
            record->new_state = to;
            end(record);
        }
    }
    if (to == TCP_CLOSE && owner) bpf_map_delete_elem(&connections, &key);
    return 0;
}

SEC("tp_btf/tcp_retransmit_skb")
int trace_tcp_retransmit(uint64_t *context) {
    struct sock *sock = (void *)context[0];
    uint64_t key = (uint64_t)sock;
    // Later kernels come here also when the segment could not be sent again.
    if (given.resend_tells_error && (int)context[2]) return 0;
    if (socket_is_elsewhere(sock)) return 0;
    struct trace_counters *books = books_of(TRACE_PROGRAM_TCP_RETRANSMIT);
    if (!books) return 0;
    struct trace_tcp *record = begin(books, sizeof(*record), TRACE_TCP_RETRANSMIT, MOST_RETRANSMITS);
    if (!record) return 0;
    flow_of(&record->flow, sock);
    owner_of(record, bpf_map_lookup_elem(&connections, &key));
    figures_of(record, sock);
    record->old_state = record->new_state = 0;
    end(record);
    return 0;
}

/// Addresses and ports as far as the packet has them where its headers should be.
static __always_inline void packet_of(struct trace_flow *flow, struct sk_buff *packet, uint16_t ether_type) {
    uint8_t header[40];
    const unsigned char *at = BPF_CORE_READ(packet, head) + BPF_CORE_READ(packet, network_header);
    uint32_t length = 0;
    if (ether_type == ETH_P_IP) {
        if (bpf_probe_read_kernel(header, 20, at) || header[0] >> 4 != 4) return;
        length = (header[0] & 15) * 4;
        flow->version = 4;
        flow->protocol = header[9];
        __builtin_memcpy(flow->source, header + 12, 4);
        __builtin_memcpy(flow->destination, header + 16, 4);
        if ((header[6] & 0x1f) | header[7]) return;  // A later fragment has no ports.
    } else if (ether_type == ETH_P_IPV6) {
        if (bpf_probe_read_kernel(header, 40, at) || header[0] >> 4 != 6) return;
        length = 40;
        flow->version = 6;
        flow->protocol = header[6];
        __builtin_memcpy(flow->source, header + 8, 16);
        __builtin_memcpy(flow->destination, header + 24, 16);
    }
    if (flow->protocol != IPPROTO_TCP && flow->protocol != IPPROTO_UDP) return;
    uint16_t ports[2];
    if (bpf_probe_read_kernel(ports, sizeof(ports), at + length)) return;
    flow->source_port = swapped(ports[0]);
    flow->destination_port = swapped(ports[1]);
}

SEC("tp_btf/kfree_skb")
int trace_packet_drop(uint64_t *context) {
    struct sk_buff *packet = (void *)context[0];
    struct trace_flow flow = {};
    // A packet in a socket's queue has no device any more, and keeps other things where it was: then the reading fails, and it is 0.
    flow.interface = BPF_CORE_READ(packet, dev, ifindex);
    flow.netns = BPF_CORE_READ(packet, dev, nd_net.net, ns.inum);
    if (!flow.netns) flow.netns = BPF_CORE_READ(packet, sk, __sk_common.skc_net.net, ns.inum);
    if (is_elsewhere(flow.netns)) return 0;
    struct trace_counters *books = books_of(TRACE_PROGRAM_PACKET_DROP);
    if (!books) return 0;
    uint16_t ether_type = swapped(BPF_CORE_READ(packet, protocol));
    uint32_t length = BPF_CORE_READ(packet, len), reason = (uint32_t)context[2];
    packet_of(&flow, packet, ether_type);

    struct trace_drop_key key = {.reason = reason, .ether_type = ether_type, .protocol = flow.protocol};
    struct trace_drop_count *count = bpf_map_lookup_elem(&drops, &key);
    if (!count) {
        // Another CPU may have been first: then it is there all the same.
        struct trace_drop_count none = {};
        bpf_map_update_elem(&drops, &key, &none, BPF_NOEXIST);
        count = bpf_map_lookup_elem(&drops, &key);
    }
    if (count) {
        count->packets++;
        count->bytes += length;
        if (!has_room(&count->window, bpf_ktime_get_boot_ns(), MOST_DROPS)) {
            books->produced++;
            books->limited++;
            return 0;
        }
    } else {
        books->table_full++;
    }

    struct trace_drop *record = begin(books, sizeof(*record), TRACE_PACKET_DROP, MOST_DROPS_IN_ALL);
    if (!record) return 0;
    record->flow = flow;
    record->reason = reason;
    record->length = length;
    record->ether_type = ether_type;
    __builtin_memset(record->unused, 0, sizeof(record->unused));
    end(record);
    return 0;
}
