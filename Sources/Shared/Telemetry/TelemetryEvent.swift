// SPDX-License-Identifier: Apache-2.0

/// One thing that happened on a host, as a source tells it. Which node and cluster it was is never in the event: the coordinator knows that
/// from the agent's certificate.
///
/// A source may fill in what it likes: `encoded` cuts texts and bodies to `EventLimits` and marks the event as cut, so that nobody can hide an
/// event by making it long.
package struct TelemetryEvent: Hashable, Sendable {
    package var time: EventTime
    package var kind: EventKind
    /// What can be searched for.
    package var attributes: EventAttributes
    /// The whole story in the source's own words.
    package var body: EventBody?
    /// A text or the body was longer than the limits and was cut or left out.
    package var isCut: Bool
    /// What the event said its time was, when the coordinator did not believe it and put the time of arrival in its place.
    package var statedTime: EventTime?

    package init(time: EventTime, kind: EventKind, attributes: EventAttributes = EventAttributes(), body: EventBody? = nil) {
        self.time = time
        self.kind = kind
        self.attributes = attributes
        self.body = body
        isCut = false
        statedTime = nil
    }
}

/// The few fields of an event that can be searched for. Absent is `nil`; an empty text counts as absent.
package struct EventAttributes: Hashable, Sendable {
    /// Path of the program.
    package var binary: String?
    package var pid: UInt32?
    /// Kubernetes pod.
    package var pod: String?
    /// Kubernetes namespace.
    package var namespace: String?
    /// Disk or link, as the kernel names it.
    package var device: String?
    /// Tetragon policy that asked for the event.
    package var policy: String?
    /// Why, as a word: the kernel's drop reason, the signal, the error.
    package var reason: String?
    /// What was decided: `forwarded`, `dropped`, a Tetragon action.
    package var verdict: String?
    package var source: EventPeer?
    package var destination: EventPeer?

    package init(
        binary: String? = nil, pid: UInt32? = nil, pod: String? = nil, namespace: String? = nil, device: String? = nil,
        policy: String? = nil,
        reason: String? = nil, verdict: String? = nil, source: EventPeer? = nil, destination: EventPeer? = nil
    ) {
        self.binary = binary
        self.pid = pid
        self.pod = pod
        self.namespace = namespace
        self.device = device
        self.policy = policy
        self.reason = reason
        self.verdict = verdict
        self.source = source
        self.destination = destination
    }
}

/// One end of a connection or of a packet.
package struct EventPeer: Hashable, Sendable, CustomStringConvertible {
    /// An address in its usual text.
    package var address: String
    /// Zero where there is none, as with ICMP.
    package var port: UInt16
    package init(address: String, port: UInt16 = 0) {
        self.address = address
        self.port = port
    }
    package var description: String {
        if port == 0 { return address }
        return address.utf8.contains(UInt8(ascii: ":")) ? "[\(address)]:\(port)" : "\(address):\(port)"
    }
}

/// The source's own words: a JSON text, or the bytes of the protobuf message that it sent.
package struct EventBody: Hashable, Sendable {
    package enum Encoding: UInt8, Hashable, Sendable {
        /// One JSON object in UTF-8.
        case json = 1
        /// tetragon.GetEventsResponse.
        case tetragonMessage = 2
        /// flow.Flow of Hubble.
        case flowMessage = 3
    }
    package var encoding: Encoding
    package var bytes: [UInt8]
    package init(_ encoding: Encoding, _ bytes: [UInt8]) {
        self.encoding = encoding
        self.bytes = bytes
    }
    /// A JSON body from text.
    package static func json(_ text: String) -> EventBody { EventBody(.json, Array(text.utf8)) }
}

/// What one event may measure, in bytes.
package enum EventLimits {
    package static let binary = 1024
    package static let text = 256
    package static let body = 64 << 10
    /// The longest encoded event: everything at its limit, with room for tags and lengths.
    package static let encoded = body + binary + 8 * text + 256
}
