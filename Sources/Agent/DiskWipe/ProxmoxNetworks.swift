// SPDX-License-Identifier: Apache-2.0

internal import MeshModel
internal import MeshSystem

/// The virtual networks of Proxmox' SDN: as they are configured (`sdn/zones.cfg`, `sdn/vnets.cfg`), and as they were applied last
/// (`sdn/.running-config`, JSON). Pure.
struct ProxmoxNetworks {
    let zones: String
    let vnets: String
    /// Empty where nothing was ever applied.
    let running: [UInt8]

    private struct Running: Decodable {
        struct Objects<Value: Decodable>: Decodable { var ids: [String: Value]? }
        struct VNet: Decodable, Hashable {
            var zone: String?
            var tag: Number?
        }
        var vnets: Objects<VNet>?
    }

    /// Perl writes a number with or without quotes, as it was last used.
    private struct Number: Decodable, Hashable {
        var value: Int?
        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let number = try? container.decode(Int.self) { value = number } else { value = Int(try container.decode(String.self)) }
        }
    }

    /// Every network, of what runs where it runs. A network is on a host where its zone is; a zone without a list of hosts is on all of them.
    func all(on host: String) throws -> [HypervisorFact.VNet] {
        let applied = running.isEmpty ? [:] : try CanonicalJSON.decode(Running.self, from: running).vnets?.ids ?? [:]
        let wanted = ProxmoxSections(parsing: vnets).sections.filter { $0.value.kind == "vnet" }
        let homes = ProxmoxSections(parsing: zones).sections.mapValues { section in
            section.options["nodes"]?.split(separator: ",").map(String.init) ?? []
        }
        return Set(applied.keys).union(wanted.keys).sorted().compactMap { name in
            let now = applied[name], next = wanted[name]?.options
            guard let zone = now?.zone ?? next?["zone"] else { return nil }
            let tag = next?["tag"].flatMap(ProxmoxProperty.number)
            let isPending = now == nil || next == nil || now?.zone != next?["zone"] || now?.tag?.value != tag
            let nodes = homes[zone] ?? []
            return HypervisorFact.VNet(
                name: ProxmoxProperty.plain(name, limit: 64), zone: ProxmoxProperty.plain(zone, limit: 64),
                tag: (now.map { $0.tag?.value } ?? tag).flatMap { (0...1 << 24).contains($0) ? $0 : nil },
                isHere: nodes.isEmpty || nodes.contains(host), isPending: isPending)
        }
    }
}
