// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc
import MeshModel
import MeshSystem

/// Sends ICMP echo requests to some addresses and notes who answers. Needs CAP_NET_RAW; without it `problem` says so.
final class Pinger {
    private static let tries = 3
    private static let every = Duration.milliseconds(300)

    private let addresses: [IPAddress]
    private let identifier: UInt16
    private let payload: [UInt8]
    private var sockets: [IPAddress.Family: Int32] = [:]
    private var sent = 0
    private(set) var answered: Set<IPAddress> = []
    private(set) var problem: String?

    init(_ addresses: [IPAddress], entropy: any Entropy) throws {
        self.addresses = addresses
        payload = try entropy.bytes(8)
        identifier = try entropy.bytes(2).reduce(0) { $0 << 8 | UInt16($1) }
        for family in Set(addresses.map(\.family)) {
            let descriptor = meshgate_icmp_open(family.number)
            if descriptor >= 0 {
                sockets[family] = descriptor
            } else {
                problem = "cannot send ICMP: \(words(-descriptor)); the prober needs CAP_NET_RAW"
            }
        }
    }

    deinit { for descriptor in sockets.values { close(descriptor) } }

    var descriptors: [(Int32, Int16)] { sockets.values.map { ($0, Int16(POLLIN)) } }

    func isDone(at now: Duration) -> Bool {
        sockets.isEmpty || answered.count == Set(addresses).count || (sent == Self.tries && now >= Self.every * Self.tries)
    }

    func wake(after now: Duration) -> Duration {
        isDone(at: now) ? now + .seconds(60) : Self.every * sent
    }

    func send(at now: Duration) {
        guard sent < Self.tries, now >= Self.every * sent else { return }
        sent += 1
        for address in Set(addresses).subtracting(answered) {
            guard let descriptor = sockets[address.family] else { continue }
            let code = meshgate_icmp_send(descriptor, address.family.number, address.octets, identifier, UInt16(sent), payload)
            if code < 0 { problem = "cannot send ICMP to \(address): \(words(-code))" }
        }
    }

    func receive() {
        for (family, descriptor) in sockets {
            var from = [UInt8](repeating: 0, count: 16)
            var buffer = [UInt8](repeating: 0, count: 64)
            for _ in 0..<512 {
                let got = meshgate_icmp_receive(descriptor, family.number, &buffer, buffer.count, &from)
                if got == -Int64(EAGAIN) { break }
                guard got >= 0, Self.isAnswer(buffer[..<Int(got)], family, identifier, payload) else { continue }
                answered.insert(IPAddress(octets: from.prefix(family == .v4 ? 4 : 16), family))
            }
        }
    }

    /// A raw socket sees the answers to everybody's pings; ours bear our identifier and our payload.
    static func isAnswer(_ bytes: ArraySlice<UInt8>, _ family: IPAddress.Family, _ identifier: UInt16, _ payload: [UInt8]) -> Bool {
        let bytes = Array(bytes)
        guard bytes.count >= 16 else { return false }
        return bytes[0] == (family == .v4 ? 0 : 129) && UInt16(bytes[4]) << 8 | UInt16(bytes[5]) == identifier
            && bytes[8..<16].elementsEqual(payload)
    }
}
