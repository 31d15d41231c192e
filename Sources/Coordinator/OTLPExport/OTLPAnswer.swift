// SPDX-License-Identifier: Apache-2.0

import Telemetry

/// What collectors answer with, read from bytes that anybody may have written.
enum OTLPAnswer {
    /// Text of a collector that goes into our log and messages, at most.
    static let longestText = 300

    /// An Export…ServiceResponse, the same shape for each signal: `nil` when the bytes are none.
    static func partialSuccess(_ bytes: [UInt8]) -> (rejected: UInt64, said: String)? {
        read(bytes) { fields in
            var found: (rejected: UInt64, said: String) = (0, "")
            for field in fields where field.id == 1 {
                guard case .block(let inner) = field.value else { return nil }
                guard
                    let parts: (UInt64, String) = read(
                        inner,
                        { parts in
                            var (rejected, said): (UInt64, String) = (0, "")
                            for part in parts {
                                switch (part.id, part.value) {
                                // An int64: a negative count is no count.
                                case (1, .number(let count)): rejected = Int64(bitPattern: count) < 0 ? 0 : count
                                case (2, .block(let text)): said = clean(text)
                                default: break
                                }
                            }
                            return (rejected, said)
                        })
                else { return nil }
                found = parts
            }
            return found
        }
    }

    /// google.rpc.Status: its message, and how long to wait when a RetryInfo is among its details.
    static func status(_ bytes: [UInt8]) -> (said: String, wait: Duration?)? {
        read(bytes) { fields in
            var (said, wait): (String, Duration?) = ("", nil)
            for field in fields {
                switch (field.id, field.value) {
                case (2, .block(let text)): said = clean(text)
                case (3, .block(let detail)): wait = retryInfo(detail) ?? wait
                default: break
                }
            }
            return (said, wait)
        }
    }

    /// The delay of a google.rpc.RetryInfo inside of an Any.
    private static func retryInfo(_ any: [UInt8]) -> Duration? {
        var (type, value): (String, [UInt8]) = ("", [])
        guard let parts: [Field] = read(any, { $0 }) else { return nil }
        for part in parts {
            guard case .block(let bytes) = part.value else { continue }
            if part.id == 1 { type = String(decoding: bytes, as: UTF8.self) }
            if part.id == 2 { value = bytes }
        }
        guard type.hasSuffix("/google.rpc.RetryInfo"), let info: [Field] = read(value, { $0 }) else { return nil }
        guard case .block(let delay) = info.first(where: { $0.id == 1 })?.value else { return .zero }
        var (seconds, nanoseconds): (Int64, Int64) = (0, 0)
        for part in read(delay, { $0 }) ?? [] {
            guard case .number(let number) = part.value else { continue }
            if part.id == 1 { seconds = Int64(bitPattern: number) }
            if part.id == 2 { nanoseconds = Int64(bitPattern: number) }
        }
        guard (0...86_400).contains(seconds), (0..<1_000_000_000).contains(nanoseconds) else { return nil }
        return .seconds(seconds) + .nanoseconds(nanoseconds)
    }

    /// A collector's words, fit for a log line.
    static func clean(_ bytes: some Sequence<UInt8>) -> String {
        EventText.clean(String(decoding: Array(bytes.prefix(4 * longestText)), as: UTF8.self), limit: longestText).text
    }

    // MARK: fields

    struct Field {
        enum Value {
            case number(UInt64)
            case block([UInt8])
        }
        var id: UInt64
        var value: Value
    }

    private static func read<Result>(_ bytes: [UInt8], _ body: ([Field]) -> Result?) -> Result? {
        bytes.withUnsafeBytes { buffer in
            var reader = ProtoReader(buffer, in: 0..<buffer.count, of: "an answer")
            var fields: [Field] = []
            do {
                while let field = try reader.next() {
                    fields.append(
                        Field(id: field.id, value: field.type == .block ? .block(Array(buffer[field.range])) : .number(field.number)))
                }
            } catch {
                return nil
            }
            return body(fields)
        }
    }
}
