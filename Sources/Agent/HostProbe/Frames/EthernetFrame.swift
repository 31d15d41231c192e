// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// One Ethernet frame with its VLAN tags (IEEE 802.1Q), those that the kernel took off and those that are still in it.
struct EthernetFrame: Hashable, Sendable {
    var destination: MACAddress
    var source: MACAddress
    /// VLAN ids, the outer one first. A tag with id 0 carries a priority and no VLAN, and does not count.
    var tags: [Int]
    /// EtherType of the payload.
    var type: UInt16
    var payload: [UInt8]

    static let arp: UInt16 = 0x0806
    private static let vlan: UInt16 = 0x8100
    /// 802.1ad, and what was used for outer tags before it.
    private static let tagTypes: Set<UInt16> = [vlan, 0x88a8, 0x9100]
    /// More tags than this are nobody's honest frame.
    private static let mostTags = 4

    init(destination: MACAddress, source: MACAddress, tags: [Int], type: UInt16, payload: [UInt8]) {
        self.destination = destination
        self.source = source
        self.tags = tags
        self.type = type
        self.payload = payload
    }

    /// From its header on. `taken`: the tag control information (IEEE 802.1Q, 9.6) of a tag that the kernel took off.
    init?(_ bytes: some RandomAccessCollection<UInt8>, taken: UInt16? = nil) {
        let bytes = Array(bytes)
        guard let destination = MACAddress(bytes: bytes.prefix(6)), let source = MACAddress(bytes: bytes.dropFirst(6).prefix(6)),
            var type = Self.half(bytes, 12)
        else { return nil }
        var ids = taken.map { [Int($0 & 0xfff)] } ?? []
        var place = 14
        while Self.tagTypes.contains(type) {
            guard ids.count < Self.mostTags, let control = Self.half(bytes, place), let next = Self.half(bytes, place + 2) else {
                return nil
            }
            ids.append(Int(control & 0xfff))
            type = next
            place += 4
        }
        // The last id is reserved and stands in no honest frame.
        guard !ids.contains(0xfff) else { return nil }
        self.init(
            destination: destination, source: source, tags: ids.filter { $0 != 0 }, type: type, payload: Array(bytes.dropFirst(place)))
    }

    /// As it goes out.
    var bytes: [UInt8] {
        destination.bytes + source.bytes + tags.flatMap { Self.octets(Self.vlan) + Self.octets(UInt16($0)) } + Self.octets(type) + payload
    }

    private static func half(_ bytes: [UInt8], _ place: Int) -> UInt16? {
        place + 2 <= bytes.count ? UInt16(bytes[place]) << 8 | UInt16(bytes[place + 1]) : nil
    }

    private static func octets(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 0xff)] }
}

/// An ARP packet for IPv4 over Ethernet (RFC 826), and what comes behind it in the frame.
struct ARPPacket: Hashable, Sendable {
    enum Operation: UInt16, Hashable, Sendable { case request = 1, reply = 2 }
    private static let head: [UInt8] = [0, 1, 8, 0, 6, 4]
    static let length = 28

    var operation: Operation
    var sender: MACAddress
    var senderAddress: IPAddress
    var target: MACAddress
    var targetAddress: IPAddress
    var trailer: [UInt8]

    init(
        operation: Operation, sender: MACAddress, senderAddress: IPAddress, target: MACAddress, targetAddress: IPAddress,
        trailer: [UInt8] = []
    ) {
        self.operation = operation
        self.sender = sender
        self.senderAddress = senderAddress
        self.target = target
        self.targetAddress = targetAddress
        self.trailer = trailer
    }

    /// `nil` for what is not whole, or of other addresses than Ethernet's and IPv4's.
    init?(_ bytes: [UInt8]) {
        guard bytes.count >= Self.length, bytes.starts(with: Self.head),
            let operation = Operation(rawValue: UInt16(bytes[6]) << 8 | UInt16(bytes[7])), let sender = MACAddress(bytes: bytes[8..<14]),
            let target = MACAddress(bytes: bytes[18..<24])
        else { return nil }
        self.init(
            operation: operation, sender: sender, senderAddress: IPAddress(octets: bytes[14..<18], .v4), target: target,
            targetAddress: IPAddress(octets: bytes[24..<28], .v4), trailer: Array(bytes.dropFirst(Self.length)))
    }

    var bytes: [UInt8] {
        Self.head + [UInt8(operation.rawValue >> 8), UInt8(operation.rawValue & 0xff)] + sender.bytes + senderAddress.octets
            + target.bytes + targetAddress.octets + trailer
    }

    /// The sender of an ARP Probe (RFC 5227, 2.1.1): nobody learns an address from it.
    static let nobody = IPAddress(family: .v4, value: 0)
    /// An address that no host has (RFC 7600), so that no kernel answers for it.
    static let dummy = IPAddress(family: .v4, value: 0xc000_0008)
}

extension MACAddress {
    static let broadcast = constant([0xff, 0xff, 0xff, 0xff, 0xff, 0xff])
    static let zero = constant([0, 0, 0, 0, 0, 0])

    private static func constant(_ bytes: [UInt8]) -> MACAddress {
        guard let address = MACAddress(bytes: bytes) else { preconditionFailure("six bytes are an address") }
        return address
    }

    /// Whether it can be a machine's: neither a group's nor nothing.
    var isOne: Bool { bytes[0] & 1 == 0 && self != .zero }
}
