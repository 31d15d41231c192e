// SPDX-License-Identifier: Apache-2.0

internal import CLinux
import Glibc

/// A conversation with the kernel's routing table. Only asks; it has no call that changes anything.
struct NetlinkSocket: ~Copyable {
    /// What can be listed, with the kernel's number for the request. The answers carry the number of the matching RTM_NEW message.
    enum Dump {
        case links, addresses, routes
        /// The ports of all bridges with their VLANs; messages of the same form as links.
        case bridgeVLANs
        /// The queueing disciplines of all links.
        case disciplines
        /// The filters at one place of one link, by its index.
        case filters(Int32, parent: UInt32)

        var name: String {
            switch self {
            case .links: "links"
            case .addresses: "addresses"
            case .routes: "routes"
            case .bridgeVLANs: "VLANs of bridge ports"
            case .disciplines: "queueing disciplines"
            case .filters: "filters of a link"
            }
        }
        /// RTM_GETLINK and its kin.
        var request: UInt16 {
            switch self {
            case .links, .bridgeVLANs: 18
            case .addresses: 22
            case .routes: 26
            case .disciplines: 38
            case .filters: 46
            }
        }
        var answer: UInt16 { request - 2 }
    }

    private static let totalLimit = 32 << 20
    private static let tries = 5
    private static let errorType: UInt16 = 2
    private static let doneType: UInt16 = 3
    private static let interrupted: UInt16 = 0x10

    private let descriptor: Int32
    private var sequence: UInt32 = 0

    init() throws(HostProbeError) {
        descriptor = meshgate_netlink_open()
        guard descriptor >= 0 else { throw .netlink(doing: "open a socket", errno: -descriptor) }
    }

    deinit { close(descriptor) }

    /// A whole list, read again when it changed under our hands.
    mutating func dump(_ dump: Dump, family: Int32 = AF_UNSPEC) throws(HostProbeError) -> [NetlinkMessage] {
        for _ in 0..<Self.tries {
            if let messages = try readOnce(dump, family: family) { return messages }
        }
        throw .netlinkRestless(dump: dump.name, tries: Self.tries)
    }

    /// `nil` when the kernel says that the list was changed meanwhile.
    private mutating func readOnce(_ dump: Dump, family: Int32) throws(HostProbeError) -> [NetlinkMessage]? {
        sequence += 1
        let asked =
            switch dump {
            case .links, .addresses, .routes:
                meshgate_netlink_dump(descriptor, dump.request, UInt8(truncatingIfNeeded: family), sequence)
            case .bridgeVLANs: meshgate_netlink_dump_bridge_vlans(descriptor, sequence)
            case .disciplines: meshgate_netlink_dump_traffic(descriptor, dump.request, 0, 0, sequence)
            case .filters(let link, let parent): meshgate_netlink_dump_traffic(descriptor, dump.request, link, parent, sequence)
            }
        guard asked >= 0 else { throw .netlink(doing: "ask for the \(dump.name)", errno: -asked) }
        var collector = DumpCollector(answer: dump.answer, sequence: sequence)
        var buffer = [UInt8](repeating: 0, count: 1 << 17)
        var total = 0
        while !collector.finished {
            let got = Int(meshgate_netlink_receive(descriptor, &buffer, buffer.count))
            guard got > 0 else { throw .netlink(doing: "receive the \(dump.name)", errno: got == 0 ? EPIPE : Int32(-got)) }
            total += got
            guard total <= Self.totalLimit else { throw .netlinkTooLarge(dump: dump.name, limit: Self.totalLimit) }
            do throws(NetlinkFault) {
                try collector.take(Array(buffer[..<got]))
            } catch {
                throw .netlinkMalformed(dump: dump.name, fault: error)
            }
            if let number = collector.refusal { throw .netlink(doing: "list the \(dump.name)", errno: number) }
        }
        return collector.changed ? nil : collector.messages
    }

    /// Folds datagrams into one list.
    struct DumpCollector {
        let answer: UInt16
        let sequence: UInt32
        private(set) var messages: [NetlinkMessage] = []
        private(set) var finished = false
        private(set) var changed = false
        private(set) var refusal: Int32?

        init(answer: UInt16, sequence: UInt32) {
            self.answer = answer
            self.sequence = sequence
        }

        mutating func take(_ datagram: [UInt8]) throws(NetlinkFault) {
            // A message of an earlier, abandoned reading bears another sequence number.
            for message in try NetlinkMessage.parse(datagram[...]) where message.sequence == sequence && !finished {
                if message.flags & NetlinkSocket.interrupted != 0 { changed = true }
                switch message.type {
                case answer: messages.append(message)
                case NetlinkSocket.doneType, NetlinkSocket.errorType:
                    // Both begin with a negative errno; an old kernel sends DONE without a body.
                    let code = message.payload.count < 4 ? 0 : try message.payload.number(at: 0, as: Int32.self, in: "end of the list")
                    if code < 0 { refusal = code == .min ? EIO : -code }
                    finished = true
                default: break
                }
            }
        }
    }
}
