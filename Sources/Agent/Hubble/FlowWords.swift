// SPDX-License-Identifier: Apache-2.0

/// Hubble's numbers (flow.proto, relay.proto of Cilium 1.19) as words. A number that this version does not know stays one.
package enum FlowWords {
    private static let verdicts = ["unknown", "forwarded", "dropped", "error", "audit", "redirected", "traced", "translated"]

    /// Verdict.
    static func verdict(_ number: UInt64) -> String { word(number, verdicts) }
    /// The verdict of that word; `nil` for none.
    package static func verdict(_ word: String) -> UInt64? { verdicts.firstIndex(of: word).map(UInt64.init) }
    /// Words that `verdict` takes.
    package static var verdictWords: [String] { verdicts }

    /// NodeState of Relay.
    static func nodeState(_ number: UInt64) -> String { word(number, ["unknown", "connected", "unavailable", "gone", "error"]) }
    /// LostEventSource.
    static func lostBy(_ number: UInt64) -> String {
        word(number, ["unknown", "perf_event_ring_buffer", "observer_events_queue", "hubble_ring_buffer"])
    }

    /// DropReason, as `hubble observe` and Cilium's metrics write it.
    static func dropReason(_ number: UInt64) -> String {
        guard number >= firstReason, number - firstReason < UInt64(reasons.count), let name = reasons[Int(number - firstReason)] else {
            return "DROP_REASON_\(number)"
        }
        return name
    }

    private static func word(_ number: UInt64, _ words: [String]) -> String {
        number < UInt64(words.count) ? words[Int(number)] : String(number)
    }

    private static let firstReason: UInt64 = 130
    private static let reasons: [String?] = [
        "INVALID_SOURCE_MAC", "INVALID_DESTINATION_MAC", "INVALID_SOURCE_IP", "POLICY_DENIED", "INVALID_PACKET_DROPPED",
        "CT_TRUNCATED_OR_INVALID_HEADER", "CT_MISSING_TCP_ACK_FLAG", "CT_UNKNOWN_L4_PROTOCOL", "CT_CANNOT_CREATE_ENTRY_FROM_PACKET",
        "UNSUPPORTED_L3_PROTOCOL", "MISSED_TAIL_CALL", "ERROR_WRITING_TO_PACKET", "UNKNOWN_L4_PROTOCOL", "UNKNOWN_ICMPV4_CODE",
        "UNKNOWN_ICMPV4_TYPE", "UNKNOWN_ICMPV6_CODE", "UNKNOWN_ICMPV6_TYPE", "ERROR_RETRIEVING_TUNNEL_KEY",
        "ERROR_RETRIEVING_TUNNEL_OPTIONS", "INVALID_GENEVE_OPTION", "UNKNOWN_L3_TARGET_ADDRESS", "STALE_OR_UNROUTABLE_IP",
        "NO_MATCHING_LOCAL_CONTAINER_FOUND", "ERROR_WHILE_CORRECTING_L3_CHECKSUM", "ERROR_WHILE_CORRECTING_L4_CHECKSUM",
        "CT_MAP_INSERTION_FAILED", "INVALID_IPV6_EXTENSION_HEADER", "IP_FRAGMENTATION_NOT_SUPPORTED", "SERVICE_BACKEND_NOT_FOUND", nil,
        "NO_TUNNEL_OR_ENCAPSULATION_ENDPOINT", "FAILED_TO_INSERT_INTO_PROXYMAP", "REACHED_EDT_RATE_LIMITING_DROP_HORIZON",
        "UNKNOWN_CONNECTION_TRACKING_STATE", "LOCAL_HOST_IS_UNREACHABLE", "NO_CONFIGURATION_AVAILABLE_TO_PERFORM_POLICY_DECISION",
        "UNSUPPORTED_L2_PROTOCOL", "NO_MAPPING_FOR_NAT_MASQUERADE", "UNSUPPORTED_PROTOCOL_FOR_NAT_MASQUERADE", "FIB_LOOKUP_FAILED",
        "ENCAPSULATION_TRAFFIC_IS_PROHIBITED", "INVALID_IDENTITY", "UNKNOWN_SENDER", "NAT_NOT_NEEDED", "IS_A_CLUSTERIP",
        "FIRST_LOGICAL_DATAGRAM_FRAGMENT_NOT_FOUND", "FORBIDDEN_ICMPV6_MESSAGE", "DENIED_BY_LB_SRC_RANGE_CHECK", "SOCKET_LOOKUP_FAILED",
        "SOCKET_ASSIGN_FAILED", "PROXY_REDIRECTION_NOT_SUPPORTED_FOR_PROTOCOL", "POLICY_DENY", "VLAN_FILTERED", "INVALID_VNI",
        "INVALID_TC_BUFFER", "NO_SID", "MISSING_SRV6_STATE", "NAT46", "NAT64", "AUTH_REQUIRED", "CT_NO_MAP_FOUND", "SNAT_NO_MAP_FOUND",
        "INVALID_CLUSTER_ID", "UNSUPPORTED_PROTOCOL_FOR_DSR_ENCAP", "NO_EGRESS_GATEWAY", "UNENCRYPTED_TRAFFIC", "TTL_EXCEEDED",
        "NO_NODE_ID", "DROP_RATE_LIMITED", "IGMP_HANDLED", "IGMP_SUBSCRIBED", "MULTICAST_HANDLED", "DROP_HOST_NOT_READY",
        "DROP_EP_NOT_READY", "DROP_NO_EGRESS_IP", "DROP_PUNT_PROXY",
    ]
}
