// SPDX-License-Identifier: Apache-2.0

internal import GRPCCore

/// Messages as their bytes: most of what comes is carried on as it is, and decoding it would cost more than everything else together.
struct RawMessages: MessageSerializer, MessageDeserializer {
    func serialize<Bytes: GRPCContiguousBytes>(_ message: [UInt8]) -> Bytes { Bytes(message) }

    func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) -> [UInt8] { bytes.withUnsafeBytes(Array.init) }
}
