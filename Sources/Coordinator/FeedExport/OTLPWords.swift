// SPDX-License-Identifier: Apache-2.0

import Gating
package import MeshModel
import Telemetry

/// Fields and values of OpenTelemetry's protocol that more than one signal needs. Field numbers are those of opentelemetry-proto 1.x.
///
/// The messages are written by hand as events are (see `ProtoWriter`): they are few, only ever written, and read by a decoder that is not ours
/// in the tests.
enum OTLPValue {
    case text(String)
    case number(Int64)
    case bool(Bool)
    case texts([String])
}

/// Which mesh and which version speaks.
package struct OTLPOrigin: Hashable, Sendable {
    package var mesh: String
    package var version: String
    package init(mesh: String, version: String) {
        self.mesh = mesh
        self.version = version
    }
}

extension ProtoWriter {
    /// A KeyValue; left out when the value is absent or an empty text, which means the same.
    mutating func attribute(_ field: UInt64, _ key: String, _ value: OTLPValue?) {
        guard let value else { return }
        if case .text("") = value { return }
        message(field) { writer in
            writer.block(1, key.utf8)
            writer.message(2) { $0.any(value) }
        }
    }

    mutating func attribute(_ field: UInt64, _ key: String, text: String?) { attribute(field, key, text.map { .text($0) }) }

    /// AnyValue, also for zero, false and an empty text: a value without a field would be none.
    mutating func any(_ value: OTLPValue) {
        switch value {
        case .text(let text):
            tag(1, .block)
            varint(UInt64(text.utf8.count))
            bytes.append(contentsOf: text.utf8)
        case .bool(let flag):
            tag(2, .varint)
            varint(flag ? 1 : 0)
        case .number(let number):
            tag(3, .varint)
            varint(UInt64(bitPattern: number))
        case .texts(let texts): message(5) { array in for text in texts { array.message(1) { $0.any(.text(text)) } } }
        }
    }

    /// Resource: who speaks. A node's telemetry is the agent's; everything else is the coordinator's.
    mutating func resource(_ field: UInt64, _ origin: OTLPOrigin, node: NodeID? = nil, cluster: ClusterName? = nil) {
        message(field) { writer in
            writer.attribute(1, "service.name", text: node == nil ? "meshgate" : "meshgate-agent")
            writer.attribute(1, "service.namespace", text: origin.mesh)
            // An agent's version may be another one than ours.
            writer.attribute(1, "service.version", text: node == nil ? origin.version : nil)
            writer.attribute(1, "service.instance.id", text: node?.text)
            writer.attribute(1, "host.name", text: node?.text)
            writer.attribute(1, "k8s.cluster.name", text: cluster?.text)
            writer.attribute(1, "k8s.node.name", text: cluster == nil ? nil : node?.text)
        }
    }

    /// InstrumentationScope.
    mutating func scope(_ field: UInt64, _ name: String, _ origin: OTLPOrigin) {
        message(field) { writer in
            writer.block(1, name.utf8)
            writer.block(2, origin.version.utf8)
        }
    }
}

extension Timestamp {
    /// Nanoseconds since 1970, as every time in the protocol; 0, which means unknown, for what lies before.
    var unixNanoseconds: UInt64 { EventTime(self).unixNanoseconds }
}

extension EventTime {
    /// As `Timestamp.unixNanoseconds`.
    var unixNanoseconds: UInt64 { UInt64(max(0, nanoseconds)) }
}

/// Ids of traces and spans. They follow from what they name, so that what is sent again after a restart is the same trace and not another.
package struct TraceIDs: Sendable {
    private let mesh: String
    private let digest: Digester

    package init(mesh: String, digest: @escaping Digester) {
        self.mesh = mesh
        self.digest = digest
    }

    /// 16 bytes.
    package func trace(_ run: RunID) -> [UInt8] { Array(digest(Array("meshgate trace\n\(mesh)\n\(run)".utf8)).bytes.prefix(16)) }

    /// 8 bytes; without a step the run's own.
    package func span(_ run: RunID, _ step: StepID? = nil) -> [UInt8] {
        Array(digest(Array("meshgate span\n\(mesh)\n\(run)\n\(step?.text ?? "")".utf8)).bytes.prefix(8))
    }
}

extension Reason {
    /// One line for people: the gate, whom it is about, what was seen and what to do.
    var line: String { "\(gate.rawValue) \(subject): \(detail)\(remedy.isEmpty ? "" : "; \(remedy)")" }
}

extension FeedEvent {
    /// About how many bytes it becomes in a request.
    package var weight: Int {
        400 + text.utf8.count + reasons.prefix(20).reduce(0) { $0 + $1.detail.utf8.count + $1.remedy.utf8.count + 40 }
    }
}

extension RunSpan {
    /// About how many bytes it becomes in a request.
    package var weight: Int {
        400 + events.reduce(0) { sum, event in event.reasons.reduce(sum + 60 + event.text.utf8.count) { $0 + $1.utf8.count } }
    }
}
