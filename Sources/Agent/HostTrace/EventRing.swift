// SPDX-License-Identifier: Apache-2.0

internal import CBpf
internal import Glibc

/// The reading end of the ring of events. It never waits: programs do not wake their reader.
final class EventRing {
    private let ring: OpaquePointer
    private let receiver: Receiver

    private final class Receiver {
        var take: ((UnsafeRawBufferPointer) -> Void)?
        var left = 0
    }

    init(map: Int32) throws(HostTraceError) {
        let receiver = Receiver()
        let ring = ring_buffer__new(
            map,
            { context, data, size in
                guard let context, let data else { return 0 }
                let receiver = Unmanaged<Receiver>.fromOpaque(context).takeUnretainedValue()
                receiver.take?(UnsafeRawBufferPointer(start: data, count: size))
                receiver.left -= 1
                // What returns below zero ends the round, with this record taken.
                return receiver.left > 0 ? 0 : -1
            }, Unmanaged.passUnretained(receiver).toOpaque(), nil)
        guard let ring else { throw HostTraceError.map("events", errno: ENOMEM) }
        self.ring = ring
        self.receiver = receiver
    }

    deinit { ring_buffer__free(ring) }

    /// Hands over what lies in the ring, at most `most` records, so that a flood cannot keep us here. The bytes are good during the call only.
    func drain(most: Int, _ take: (UnsafeRawBufferPointer) -> Void) {
        withoutActuallyEscaping(take) { take in
            receiver.take = take
            receiver.left = most
            ring_buffer__consume(ring)
            receiver.take = nil
        }
    }
}
