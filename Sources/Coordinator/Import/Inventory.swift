// SPDX-License-Identifier: Apache-2.0

import MeshModel

/// What was found, before it is a mesh: machines, and words about clusters.
struct Inventory {
    struct NIC {
        var name: String?
        var bridge: String?
        var vlan: Int?
        var mac: MACAddress?
        var mtu: Int?
    }
    struct Disk {
        var name: String
        var serial: String?
        var size: ByteCount
    }
    struct Machine {
        var name: String
        /// Where it came from, such as a Terraform address without its last part: machines of one module belong together.
        var origin = ""
        var tags: [String] = []
        var cluster: String?
        var isControlPlane: Bool?
        var address: IPAddress?
        var range: CIDR?
        var gateway: IPAddress?
        var hypervisor: String?
        var cores: Int?
        var memory: ByteCount?
        var nics: [NIC] = []
        var disks: [Disk] = []
    }
    struct Cluster {
        var name: String
        var origin = ""
        var endpoint: String?
        var context: String?
        var podCIDRs: [CIDR] = []
        var serviceCIDRs: [CIDR] = []
        /// Addresses that are said to belong to it.
        var members: Set<IPAddress> = []
    }

    var machines: [Machine] = []
    var clusters: [Cluster] = []
    var talosVersions: Set<String> = []
    /// Addresses of which it is known what they are.
    var controlPlanes: Set<IPAddress> = []
    var workers: Set<IPAddress> = []
    var summary: [String] = []

    /// One mesh has no more; what does is not read to its end.
    static let mostMachines = 10_000
    static let mostClusters = 511

    /// The cluster of this name, made when it is new.
    mutating func cluster(_ name: String, origin: String = "", change: (inout Cluster) -> Void = { _ in }) {
        guard let name = Self.label(name) else { return }
        if let index = clusters.firstIndex(where: { $0.name == name }) {
            if clusters[index].origin.isEmpty { clusters[index].origin = origin }
            change(&clusters[index])
        } else {
            var cluster = Cluster(name: name, origin: origin)
            change(&cluster)
            clusters.append(cluster)
        }
    }

    /// A name that mesh.yaml takes, made of whatever was given; `nil` when nothing is left of it.
    static func label(_ text: String) -> String? {
        var result = ""
        for byte in text.utf8.prefix(256) {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
                result.unicodeScalars.append(Unicode.Scalar(byte))
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): result.unicodeScalars.append(Unicode.Scalar(byte + 32))
            default: if !result.isEmpty, result.last != "-" { result += "-" }
            }
        }
        while result.last == "-" { result.removeLast() }
        result = String(result.prefix(63))
        while result.last == "-" { result.removeLast() }
        return result.isEmpty ? nil : result
    }

    /// `192.168.20.11/24` as the address, and the range it is in.
    static func interface(_ text: String) -> (IPAddress, CIDR?)? {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard let address = IPAddress(String(parts[0])), parts.count <= 2 else { return nil }
        guard parts.count == 2, let length = Int(parts[1]), (0...address.bits).contains(length) else { return (address, nil) }
        return (address, range(of: address, length))
    }

    static func range(of address: IPAddress, _ length: Int) -> CIDR? {
        let free = address.bits - length
        let base = free >= 128 ? 0 : (address.value >> UInt128(free)) << UInt128(free)
        return CIDR("\(IPAddress(family: address.family, value: base))/\(length)")
    }

    /// Not of the machine itself, nor of its link alone.
    static func isRoutable(_ address: IPAddress) -> Bool {
        let ranges = ["127.0.0.0/8", "169.254.0.0/16", "0.0.0.0/8", "::1/128", "fe80::/10"].compactMap { CIDR($0) }
        return !ranges.contains { $0.contains(address) }
    }
}
